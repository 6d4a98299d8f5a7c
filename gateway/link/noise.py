"""Noise_IK_25519_ChaChaPoly_BLAKE2b: who the two sides are, and the keys between them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NoisePair:
    """A node's static keys of the online protocol, X25519, 32 bytes each."""

    private: bytes = field(repr=False)
    public: bytes
