"""From what a person names to a voice that can be asked."""

from __future__ import annotations

from anomalygpt.experts.addresses import Address
from anomalygpt.experts.voice import Voice
from anomalygpt.language.loading import Quantization


def open_voice(
    address: Address,
    *,
    timeout: float | None = None,
    device: str = "auto",
    dtype: str = "auto",
    quantization: Quantization | None = None,
    sees: bool = True,
) -> Voice:
    """The voice at an address; a server is not asked yet whether it is there.

    Args:
        address: from `read_address`.
        timeout: of a server, see `OpenAIVoice`; None takes its usual one.
        sees: False for one that is to be shown no pictures.
        device, dtype, quantization: of a model in this process, see `TransformersVoice`.

    Raises:
        AnomalyGPTError: it cannot be used; the message says why.
    """
    if address.kind == "openai":
        from anomalygpt.experts.openai_voice import OpenAIVoice

        if timeout is None:
            return OpenAIVoice(address, sees=sees)
        return OpenAIVoice(address, timeout=timeout, sees=sees)
    from anomalygpt.experts.transformers_voice import TransformersVoice

    return TransformersVoice(
        address.model, device=device, dtype=dtype, quantization=quantization, sees=sees
    )
