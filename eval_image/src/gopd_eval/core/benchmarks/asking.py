r"""How a problem is asked: the published harness's texts, and what `strict` changes in them.

`strict` differs in one place: LiveCodeBench's starter code is shown, without which a model has to guess the name that
the tests call. The other texts are the same, so that answers drawn for one preset serve the other. Prompts of a user's
own files are asked as they are written.
"""

from typing import Final, Literal

Preset = Literal["strict", "seed"]
BOX: Final = "\nPlease reason step by step, and put your final answer within \\boxed{}."
CODE: Final = (
    "\n\nWrite Python code to solve the problem. Present the code in \n```python\nYour code\n```\nat the end.\n"
    "You need to think first then write the Python code."
)
CONTEST: Final = (
    "You will be given a question (problem specification) and will generate a correct Python program that matches the "
    "specification and passes all tests. You will NOT return anything except for the program.\n\n"
)
STARTER: Final = "Use this starter code:\n```python\n{code}\n```\n\n"
STDIN: Final = "Read the input from standard input and write the answer to standard output.\n\n"


def ask_for_a_box(problem: str) -> str:
    """A problem of mathematics."""
    return problem + BOX


def ask_for_code(prompt: str) -> str:
    """A function of EvalPlus: its signature and description."""
    return prompt + CODE


def ask_for_a_program(question: str, starter: str, preset: Preset) -> str:
    """A contest problem of LiveCodeBench."""
    if preset == "seed":
        return f"{CONTEST}Question:\n{question}\n\n{CODE}"
    form = STARTER.format(code=starter.strip("\n")) if starter.strip() else STDIN
    return f"{CONTEST}Question:\n{question}\n\n{form}{CODE.lstrip()}"
