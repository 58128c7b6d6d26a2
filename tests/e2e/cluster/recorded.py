"""What MLflow has of a job, asked over its own API, through the API server: that works on any cluster.

It asks and judges nothing. What should be there is the tests' business.
"""

import urllib.parse
from dataclasses import dataclass

from tests.cluster.api import ApiError, Document
from tests.e2e.cluster.installation import RELEASE, SYSTEM, Installation
from urllib3.exceptions import HTTPError

PORT = 5000


@dataclass(frozen=True)
class Recorded:
    """The run of a job."""

    installation: Installation
    run_id: str

    def run(self) -> Document:
        document: Document = self._ask("runs/get", run_id=self.run_id)["run"]
        return document

    def status(self) -> str:
        """How the run stands; empty while MLflow does not answer."""
        try:
            return str(self.run()["info"]["status"])
        except (ApiError, HTTPError):
            return ""

    def tags(self) -> dict[str, str]:
        return {one["key"]: one["value"] for one in self.run()["data"].get("tags", [])}

    def steps(self, metric: str) -> list[int]:
        """The step of each point of a metric, in order; a step that was recorded twice is there twice."""
        found, page = [], ""
        while True:
            more = {"page_token": page} if page else {}
            answer = self._ask("metrics/get-history", run_id=self.run_id, metric_key=metric, max_results="1000", **more)
            found += [int(point["step"]) for point in answer.get("metrics", [])]
            page = answer.get("next_page_token", "")
            if not page:
                return sorted(found)

    def files(self) -> set[str]:
        """Artifacts at the top of the run."""
        return {file["path"] for file in self._ask("artifacts/list", run_id=self.run_id).get("files", [])}

    def document(self, path: str) -> Document:
        """One file of the run, which holds a JSON object."""
        root = urllib.parse.urlparse(self.run()["info"]["artifact_uri"]).path.strip("/")
        return self.installation.api.request("GET", self._path(f"mlflow-artifacts/artifacts/{root}/{path}"))

    def runs_of_job(self, uid: str) -> list[str]:
        """Runs that any job of this uid has made."""
        experiment = self.run()["info"]["experiment_id"]
        body = {"experiment_ids": [experiment], "filter": f"tags.`gopd.job.uid` = '{uid}'"}
        answer = self.installation.api.request("POST", self._path("mlflow/runs/search"), body)
        return [one["info"]["run_id"] for one in answer.get("runs", [])]

    def _ask(self, question: str, **query: str) -> Document:
        return self.installation.api.request(
            "GET", f"{self._path(f'mlflow/{question}')}?{urllib.parse.urlencode(query)}"
        )

    @staticmethod
    def _path(question: str) -> str:
        return f"/api/v1/namespaces/{SYSTEM}/services/{RELEASE}-mlflow:{PORT}/proxy/api/2.0/{question}"
