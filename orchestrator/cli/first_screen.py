"""The first screen, `orchestrator --help`: the commands by task, each in one line. Its own `--help` says more."""

from __future__ import annotations

from collections.abc import Mapping

PANELS: Mapping[str, Mapping[str, str]] = {
    "First steps": {
        "init": "Write a small project: script, card, campaign.",
        "run": "Train a section to its target; the same command continues.",
        "status": "Steps, checkpoints and sessions in flight.",
        "prove": "Cut a training and check that it resumes exactly.",
        "why": "Why a run or session ended, and what to do next.",
        "report": "One HTML page: curves, sessions, verdicts; tables.",
        "serve": "The page of `report`, live in your browser.",
        "campaign": "Many trainings under limits: plan, run, status, results.",
    },
    "Sessions in flight": {
        "attach": "Watch the session to its end, then continue the run.",
        "logs": "Print the log of the latest session, and follow it.",
        "fetch": "Fetch the results of sessions that have ended.",
        "cancel": "Let the session save and stop; `run` continues it later.",
    },
    "Checkpoints": {
        "adopt": "Begin a training with the weights of a learned model.",
        "inspect": "Contents and grade of one checkpoint.",
        "prove-resume": "Prove exact resume of a stable-baselines3 section.",
        "checkpoints": "List them, go back to one, put them aside.",
    },
    "Project and account": {
        "sections": "The sections of this project.",
        "render": "Show what `run` would send, without sending it.",
        "doctor": "Check account, versions, clock and disk.",
        "quota": "Accelerator hours left this week on Kaggle.",
        "verify": "Check the project with a tiny real training.",
        "config": "Folders, credentials, JSON Schema of a card.",
    },
}
"""Panel -> command -> its line, in the order of the screen."""

EPILOG = (
    "Try it: `orchestrator init demo`, `cd demo`, `orchestrator run demo --quick`.\n\n"
    "More about a command: `orchestrator COMMAND --help`."
)


def place_of(name: str) -> tuple[str, str]:
    """Panel and line of a command or group of commands."""
    return next((panel, lines[name]) for panel, lines in PANELS.items() if name in lines)
