"""The kinds that the operator reads and writes, and where the API server keeps them. Names only."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """A kind of namespaced objects."""

    kind: str
    plural: str
    api: str
    """`v1`, or group and version."""

    def path(self, namespace: str | None, name: str | None = None, sub: str | None = None) -> str:
        """The path of one object, of all in a namespace, or of all."""
        root = f"/api/{self.api}" if "/" not in self.api else f"/apis/{self.api}"
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{within}/{self.plural}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")


DISTILLATION_JOB = Resource("DistillationJob", "distillationjobs", "gopd.io/v1alpha1")
EVAL_JOB = Resource("EvalJob", "evaljobs", "gopd.io/v1alpha1")
RAY_JOB = Resource("RayJob", "rayjobs", "ray.io/v1")
JOB = Resource("Job", "jobs", "batch/v1")
CONFIG_MAP = Resource("ConfigMap", "configmaps", "v1")
POD = Resource("Pod", "pods", "v1")
EVENT = Resource("Event", "events", "v1")
SERVICE_ACCOUNT = Resource("ServiceAccount", "serviceaccounts", "v1")
ROLE = Resource("Role", "roles", "rbac.authorization.k8s.io/v1")
ROLE_BINDING = Resource("RoleBinding", "rolebindings", "rbac.authorization.k8s.io/v1")

OURS = (DISTILLATION_JOB, EVAL_JOB)
WATCHED: dict[Resource, str | None] = {
    DISTILLATION_JOB: None,
    EVAL_JOB: None,
    RAY_JOB: "gopd.io/managed=true",
    JOB: "gopd.io/managed=true",
    CONFIG_MAP: "gopd.io/managed=true,gopd.io/part=progress",
    POD: "gopd.io/managed=true",
}
"""What is watched, with the label selector that the API server filters by."""
BY_KIND = {one.kind: one for one in (*WATCHED, EVENT, SERVICE_ACCOUNT, ROLE, ROLE_BINDING)}
