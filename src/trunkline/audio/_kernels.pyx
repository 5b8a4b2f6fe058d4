# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled part of the audio room: G.711 tables, a streaming polyphase FIR, a level meter.

Samples are 16-bit, little-endian, mono. Everything takes and gives ``bytes``: for the 20 ms frames of a phone
call a memoryview costs more to open than the audio costs to convert.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove, memset

from trunkline.errors import AudioError

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #include <string.h>

    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "samples are used in place as little-endian int16"
    #endif

    /* One binary for every x86-64: the loader picks the AVX2 twin where the processor has it. The sums are of
       integers, so the twins agree to the bit. Elsewhere the compiler's own baseline (NEON, SSE2) serves. */
    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__GLIBC__)
    #define TL_CLONES __attribute__((target_clones("avx2", "default")))
    #else
    #define TL_CLONES
    #endif

    #if defined(__GNUC__)
    #define TL_INLINE static inline __attribute__((always_inline))
    #else
    #define TL_INLINE static __inline
    #endif

    TL_INLINE int32_t tl_dot(const int16_t *x, const int16_t *h, int n)
    {
        int32_t sum = 0;
        for (int k = 0; k < n; k++)
            sum += (int32_t)x[k] * h[k];
        return sum;
    }

    TL_INLINE void tl_sums(const int16_t *x, const int16_t *taps, int width, int up, int down,
                           int at, int phase, int32_t *sums, int count)
    {
        const int step = down / up, rest = down % up;
        for (int j = 0; j < count; j++) {
            sums[j] = tl_dot(x + at, taps + (size_t)phase * width, width);
            at += step;
            phase += rest;
            if (phase >= up) { phase -= up; at++; }
        }
    }

    /* `count` outputs from position (at + phase/up) on. `width` is a multiple of 16; most filters are 48 wide, and
       knowing it lets the compiler unroll. Rounds half to even: adding 1.5 * 2^52 leaves the integer in the low bits. */
    TL_CLONES void tl_fir(const int16_t *x, const int16_t *taps, int width, int up, int down,
                          int at, int phase, double gain, int32_t *sums, int16_t *out, int count)
    {
        if (width == 48)
            tl_sums(x, taps, 48, up, down, at, phase, sums, count);
        else
            tl_sums(x, taps, width & ~15, up, down, at, phase, sums, count);
        for (int j = 0; j < count; j++) {
            double y = sums[j] * gain;
            y = y > 32767.0 ? 32767.0 : y;
            y = y < -32768.0 ? -32768.0 : y;
            y += 6755399441055744.0;
            int64_t bits;
            memcpy(&bits, &y, 8);
            out[j] = (int16_t)bits;
        }
    }

    TL_CLONES void tl_level(const int16_t *x, ptrdiff_t n, int ceiling,
                            int *low, int *high, int64_t *sum, int64_t *squares, ptrdiff_t *clipped)
    {
        *low = 0; *high = 0; *sum = 0; *squares = 0; *clipped = 0;
        while (n > 0) {
            /* 1024 samples: |sum| <= 2^25, count <= 2^10, both safe in 32 bits */
            const int m = n < 1024 ? (int)n : 1024;
            int16_t lo = 0, hi = 0;
            int32_t s = 0, c = 0;
            int64_t q = 0;
            for (int i = 0; i < m; i++) {
                const int16_t v = x[i];
                lo = v < lo ? v : lo;
                hi = v > hi ? v : hi;
                s += v;
                q += (int32_t)v * v;
                c += (v >= ceiling) | (v <= -ceiling);
            }
            *low = lo < *low ? lo : *low;
            *high = hi > *high ? hi : *high;
            *sum += s;
            *squares += q;
            *clipped += c;
            x += m;
            n -= m;
        }
    }
    """
    void tl_fir(const int16_t *x, const int16_t *taps, int width, int up, int down, int at, int phase,
                double gain, int32_t *sums, int16_t *out, int count) noexcept nogil
    void tl_level(const int16_t *x, Py_ssize_t n, int ceiling, int *low, int *high,
                  int64_t *sum, int64_t *squares, Py_ssize_t *clipped) noexcept nogil


# --- G.711 -------------------------------------------------------------------------------------------------------

cdef int16_t mulaw_samples[256]
cdef int16_t alaw_samples[256]
# The laws look at the upper 14 and 12 bits of a 16-bit sample, so small tables hold all 65,536 answers.
cdef uint8_t mulaw_codes[16384]
cdef uint8_t alaw_codes[4096]


cdef void build_tables() noexcept:
    """ITU-T G.711 as the reference software G.191 computes it: negative samples by one's complement."""
    cdef int code, b, segment, step, x, magnitude
    for code in range(256):
        #   7   6 5 4     3 2 1 0      mu-law sends all bits inverted, A-law every other one;
        # sign  segment   step         the sign bit is 1 for positive samples
        b = ~code & 0xFF
        segment, step = (b >> 4) & 7, b & 15
        magnitude = (((step << 3) + 0x84) << segment) - 0x84
        mulaw_samples[code] = -magnitude if b & 0x80 else magnitude
        b = code ^ 0x55
        segment, step = (b >> 4) & 7, b & 15
        magnitude = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
        alaw_samples[code] = magnitude if b & 0x80 else -magnitude

    for x in range(-8192, 8192):
        magnitude = min((x if x >= 0 else ~x) + 33, 0x1FFF)
        segment = 0
        while magnitude >> (segment + 6):
            segment += 1
        b = segment << 4 | ((magnitude >> (segment + 1)) & 15)
        mulaw_codes[x & 0x3FFF] = ~(b if x >= 0 else b | 0x80) & 0xFF

    for x in range(-2048, 2048):
        magnitude = x if x >= 0 else ~x
        segment = 0
        while magnitude >> (segment + 4):
            segment += 1
        b = magnitude if segment == 0 else segment << 4 | ((magnitude >> (segment - 1)) & 15)
        alaw_codes[x & 0xFFF] = (b | 0x80 if x >= 0 else b) ^ 0x55


build_tables()


cdef enum:
    PCM16 = 0
    MULAW = 1
    ALAW = 2

LAWS = {"pcm16": PCM16, "mulaw": MULAW, "alaw": ALAW}


cdef bytes as_bytes(object data):
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise AudioError(f"audio must be bytes, not {type(data).__name__}")


cdef inline void decode(int law, const uint8_t *codes, int16_t *samples, Py_ssize_t n) noexcept nogil:
    cdef const int16_t *table = &mulaw_samples[0] if law == MULAW else &alaw_samples[0]
    cdef Py_ssize_t i
    for i in range(n):
        samples[i] = table[codes[i]]


cdef inline void encode(int law, const int16_t *samples, uint8_t *codes, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    if law == MULAW:
        for i in range(n):
            codes[i] = mulaw_codes[<uint16_t>samples[i] >> 2]
    else:
        for i in range(n):
            codes[i] = alaw_codes[<uint16_t>samples[i] >> 4]


cdef bytes decoded(int law, object data):
    if type(data) is not bytes:
        data = as_bytes(data)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(data)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, 2 * n)
    decode(law, <const uint8_t *>PyBytes_AS_STRING(data), <int16_t *>PyBytes_AS_STRING(out), n)
    return out


cdef bytes encoded(int law, object data):
    if type(data) is not bytes:
        data = as_bytes(data)
    if PyBytes_GET_SIZE(data) & 1:
        raise AudioError(f"PCM16 comes in whole 2-byte samples, not {PyBytes_GET_SIZE(data)} bytes")
    cdef Py_ssize_t n = PyBytes_GET_SIZE(data) >> 1
    cdef bytes out = PyBytes_FromStringAndSize(NULL, n)
    encode(law, <const int16_t *>PyBytes_AS_STRING(data), <uint8_t *>PyBytes_AS_STRING(out), n)
    return out


def decode_mulaw(mulaw):
    return decoded(MULAW, mulaw)


def decode_alaw(alaw):
    return decoded(ALAW, alaw)


def encode_mulaw(pcm16):
    return encoded(MULAW, pcm16)


def encode_alaw(pcm16):
    return encoded(ALAW, pcm16)
