"""G.711, the voice of telephone lines: 8 bits a sample, mu-law in America and Japan, A-law elsewhere.

Four functions on whole ``bytes``, stateless. The linear side is PCM16, little-endian, mono. Each answer is that of
the ITU-T G.191 reference software, for all 65,536 samples and all 256 codes; other tools differ by a step at the
edges of intervals. Encoding PCM16 that ends in half a sample raises ``AudioError``; for a stream cut anywhere use
``convert.Converter``, which carries the odd byte over.
"""

from trunkline.audio._kernels import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

__all__ = ["decode_alaw", "decode_mulaw", "encode_alaw", "encode_mulaw"]
