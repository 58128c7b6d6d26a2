"""What the operator may do: exactly the list below, in the cluster or in the served namespaces only."""

import pytest
from tests.charts.rendering import Manifest, Values, granted, of_kind, operator_access, render

OWN = "distillationjobs evaljobs"
USED = [
    ("gopd.io", OWN, "get list watch create patch delete"),
    ("gopd.io", "distillationjobs/status evaljobs/status", "update"),
    ("gopd.io", "distillationjobs/finalizers evaljobs/finalizers", "update"),
    ("ray.io", "rayjobs", "get list watch create delete"),
    ("batch", "jobs", "get list watch create delete"),
    ("", "configmaps", "get list watch create patch"),
    ("", "serviceaccounts", "create"),
    ("rbac.authorization.k8s.io", "roles rolebindings", "create"),
    ("", "pods", "list watch"),
    ("", "events", "create"),
]
EXPECTED = {
    (group, resource, verb)
    for group, resources, verbs in USED
    for resource in resources.split()
    for verb in verbs.split()
}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}


def kinds(objects: list[Manifest]) -> set[str]:
    return {found["kind"] for found in objects}


def test_the_cluster_role_grants_what_is_used_and_nothing_else(objects: list[Manifest]) -> None:
    (role,) = of_kind(objects, "ClusterRole")
    assert granted(role) == EXPECTED
    assert of_kind(objects, "Role") == []


def test_no_rule_has_a_wildcard_or_names_a_url(objects: list[Manifest]) -> None:
    (role,) = of_kind(objects, "ClusterRole")
    assert [rule for rule in role["rules"] if "*" in str(rule) or "nonResourceURLs" in rule] == []


@pytest.mark.parametrize("watched", [["team-a"], ["team-a", "team-b"]])
def test_a_namespaced_installation_has_a_role_a_namespace_and_nothing_cluster_wide(watched: list[str]) -> None:
    objects = render({"singleNamespaceInstall": True, "watchNamespace": watched})
    assert kinds(objects) & CLUSTER_WIDE == set()
    for kind in ("Role", "RoleBinding"):
        assert [found["metadata"]["namespace"] for found in of_kind(objects, kind)] == watched
    assert all(granted(role) == EXPECTED for role in of_kind(objects, "Role"))


def test_without_watched_namespaces_a_namespaced_installation_serves_its_own() -> None:
    objects = render({"singleNamespaceInstall": True}, namespace="ml")
    assert [role["metadata"]["namespace"] for role in of_kind(objects, "Role")] == ["ml"]


def test_watched_namespaces_alone_bind_the_cluster_role_in_each_of_them_and_nowhere_else() -> None:
    objects = render({"watchNamespace": ["team-a", "team-b"]})
    (role,) = of_kind(objects, "ClusterRole")
    assert kinds(objects) & {"ClusterRoleBinding", "Role"} == set()
    bindings = of_kind(objects, "RoleBinding")
    assert [found["metadata"]["namespace"] for found in bindings] == ["team-a", "team-b"]
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("ClusterRole", role["metadata"]["name"])
        assert binding["subjects"][0]["namespace"] == "gopd-system"


def test_roles_can_be_left_to_somebody_else() -> None:
    objects = render({"singleNamespaceInstall": True, "crNamespacedRbacEnable": False})
    assert kinds(objects) & {*CLUSTER_WIDE, "Role", "RoleBinding"} == set()


@pytest.mark.parametrize("scope", [{}, {"singleNamespaceInstall": True}], ids=["cluster", "namespace"])
@pytest.mark.parametrize("account", [{}, {"name": "mine", "create": False}], ids=["own", "given"])
def test_the_permissions_are_bound_to_the_account_of_the_pod(scope: Values, account: Values) -> None:
    objects = render({**scope, "serviceAccount": account})
    (binding,) = of_kind(objects, "ClusterRoleBinding") or of_kind(objects, "RoleBinding")
    (role,) = of_kind(objects, "ClusterRole") or of_kind(objects, "Role")
    name = account.get("name", "gopd-operator")
    deployment = next(found for found in of_kind(objects, "Deployment") if found["metadata"]["name"] == "gopd-operator")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == name
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "gopd-system"}]
    assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == (role["kind"], role["metadata"]["name"])
    assert len(of_kind(objects, "ServiceAccount")) == (0 if account else 1)


def test_other_tests_can_load_the_access_of_one_namespace() -> None:
    access = operator_access("team-a", home="ops")
    assert [found["kind"] for found in access] == ["ServiceAccount", "Role", "RoleBinding"]
    assert [found["metadata"]["namespace"] for found in access] == ["ops", "team-a", "team-a"]
    assert access[2]["subjects"][0]["namespace"] == "ops"
    assert {found["kind"] for found in operator_access()} == {"ServiceAccount", *CLUSTER_WIDE}
