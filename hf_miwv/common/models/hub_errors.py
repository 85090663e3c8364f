"""Why something could not be had from the Hub, in plain words."""

from __future__ import annotations

from hf_miwv.common.errors import InputError, error_chain


def hub_error(kind: str, source: str, error: BaseException) -> InputError:
    """Make the InputError for something that could not be loaded from the Hub.

    The reason is read off the chain of exceptions that the client libraries raise; their own
    text is kept (first line) where no known reason is in the chain.

    Args:
        kind (`str`): "model", "embedder" or "data set", for the message.
        source (`str`): Its name.
        error (`BaseException`): The error that the client library raised.

    Returns:
        `InputError`: The refusal, to be raised.
    """
    # By class name, because transformers, datasets and huggingface_hub wrap the same errors in classes of theirs.
    names = {type(link).__name__ for link in error_chain(error)}
    offline = "it is not in the local cache and the Hub cannot be reached"
    reasons = {
        "GatedRepoError": "it is gated: accept its terms on its Hub page and log in with `hf auth login`",
        "RepositoryNotFoundError": "there is no such repository on the Hub, or it is private: "
        "check the spelling, or log in with `hf auth login`",
        "RevisionNotFoundError": "it has no such revision",
        "OfflineModeIsEnabled": f"{offline} (HF_HUB_OFFLINE is set)",
        "LocalEntryNotFoundError": f"{offline}: check the connection, or give a local path",
        "ConnectError": f"{offline}: check the connection, or give a local path",
        "ConnectionError": f"{offline}: check the connection, or give a local path",
    }
    for name, reason in reasons.items():
        if name in names:
            return InputError(f"{kind} {source!r} cannot be loaded: {reason}")
    first_line = str(error).strip().splitlines()[:1] or [type(error).__name__]
    return InputError(f"{kind} {source!r} cannot be loaded: {first_line[0]}")
