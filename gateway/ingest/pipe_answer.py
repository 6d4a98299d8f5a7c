"""What a program that handed mail in is answered: an exit status and what to print."""

from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.exits import OK, Caller, exit_status, pipe_line
from gateway.ingest.pipe_commands import SEND, PipeRequest
from gateway.maillog import log_mail

PROGRAM = "nncp-gateway"
INTERNAL_STATUS = "4.3.0"


@dataclass(frozen=True, slots=True)
class PipeAnswer:
    """The end of a command.

    Args:
        status: to end with.
        out: for standard output.
        err: for standard error.
    """

    status: int
    out: str = ""
    err: str = ""


def answer_done(request: PipeRequest, said: str) -> PipeAnswer:
    """The answer when all is on disk; ``sendmail`` and its like are silent then."""
    return PipeAnswer(OK, out=f"{said}\n" if request.name == SEND else "")


def log_refused(request: PipeRequest, error: BaseException) -> None:
    """Write to the mail log that nothing was taken, and why."""
    status = error.status if isinstance(error, GatewayError) else INTERNAL_STATUS
    log_mail("refused", client=request.user.origin, status=status, text=str(error), command=request.name)


def answer_error(request: PipeRequest, error: BaseException) -> PipeAnswer:
    """The answer when it is not: for a mail server the line that it puts in its log or bounce."""
    status = exit_status(error, request.caller)
    if request.caller is Caller.HANDLER:
        return PipeAnswer(status, err="".join(f"{PROGRAM}: {line}\n" for line in str(error).splitlines()))
    line = f"{pipe_line(error)}\n"
    # Mail servers read both; people expect errors of sendmail on standard error.
    return PipeAnswer(status, out=line) if request.name == SEND else PipeAnswer(status, err=line)
