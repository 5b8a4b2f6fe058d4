# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The compiled part of the audio room: G.711 tables, a streaming polyphase FIR, a level meter.

Samples are 16-bit, little-endian, mono. Everything takes and gives ``bytes``: for the 20 ms frames of a phone
call a memoryview costs more to open than the audio costs to convert.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t
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

    /* One binary for every x86-64: the AVX2 twin runs where the processor has it. The sums are of integers, so the
       twins agree to the bit. Elsewhere the compiler's own baseline (SSE2, NEON) serves. */
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <immintrin.h>
    #define TL_AVX2 __attribute__((target("avx2")))
    #define TL_AVX2_INLINE __attribute__((target("avx2"), always_inline)) static inline
    #endif

    /* Where the sum of one output begins: its oldest sample, and the oldest tap of its row. The pace says how far
       the next output is: whole samples, rows (in taps), and where the rows start over, one sample on. */
    typedef struct { const int16_t *x, *row; } tl_place;
    typedef struct { ptrdiff_t step, rest, all; const int16_t *end; } tl_pace;

    static inline tl_pace tl_pace_of(const int16_t *taps, int width, int up, int down)
    {
        const ptrdiff_t all = (ptrdiff_t)up * width;
        const tl_pace pace = {down / up, (ptrdiff_t)(down % up) * width, all, taps + all};
        return pace;
    }

    static inline tl_place tl_next(tl_place now, tl_pace pace)
    {
        const int16_t *row = now.row + pace.rest;
        const int wrap = row >= pace.end;
        const tl_place then = {now.x + pace.step + wrap, row - (wrap ? pace.all : 0)};
        return then;
    }

    /* `count` outputs: each `width` samples times `width` taps, times `gain`, rounded half to even, saturated. */
    static void tl_fir_plain(tl_place place, tl_pace pace, int width, double gain, int16_t *out, int count)
    {
        width &= ~15;  /* it is a multiple of 16: now the compiler knows, too */
        for (int j = 0; j < count; j++) {
            int32_t sum = 0;
            for (int k = 0; k < width; k++)
                sum += (int32_t)place.x[k] * place.row[k];
            double y = sum * gain;
            y = y > 32767.0 ? 32767.0 : y < -32768.0 ? -32768.0 : y;
            y += 6755399441055744.0;  /* 1.5 * 2^52 leaves the rounded integer in the low bits */
            int64_t bits;
            memcpy(&bits, &y, 8);
            out[j] = (int16_t)bits;
            place = tl_next(place, pace);
        }
    }

    #ifdef TL_AVX2
    /* Four outputs: 16 products an instruction, one horizontal sum for all four. */
    TL_AVX2_INLINE __m128i tl_four(const tl_place place[4], int width, __m256d gain)
    {
        __m256i sum[4];
        for (int o = 0; o < 4; o++)
            sum[o] = _mm256_setzero_si256();
        for (int k = 0; k < width; k += 16)
            for (int o = 0; o < 4; o++)
                sum[o] = _mm256_add_epi32(sum[o], _mm256_madd_epi16(
                    _mm256_loadu_si256((const __m256i *)(place[o].x + k)),
                    _mm256_load_si256((const __m256i *)(place[o].row + k))));
        const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
        const __m128i whole = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
        const __m128i y = _mm256_cvtpd_epi32(_mm256_mul_pd(_mm256_cvtepi32_pd(whole), gain));  /* half to even */
        return _mm_packs_epi32(y, y);  /* saturates */
    }

    /* Any ratio. */
    TL_AVX2_INLINE void tl_fir_any(tl_place place, tl_pace pace, int width, double gain, int16_t *out, int count)
    {
        const __m256d gains = _mm256_set1_pd(gain);
        int j = 0;
        for (; j + 4 <= count; j += 4) {
            tl_place four[4];
            for (int o = 0; o < 4; o++) {
                four[o] = place;
                place = tl_next(place, pace);
            }
            _mm_storel_epi64((__m128i *)(out + j), tl_four(four, width, gains));
        }
        tl_fir_plain(place, pace, width, gain, out + j, count - j);
    }

    /* A ratio the compiler knows, from phase 0 on: all places of 4 * up outputs are constants to it. */
    TL_AVX2_INLINE void tl_fir_known(tl_place place, int width, int up, int down,
                                     double gain, int16_t *out, int count)
    {
        const __m256d gains = _mm256_set1_pd(gain);
        const tl_pace pace = tl_pace_of(place.row, width, up, down);
        int j = 0;
        for (; j + 4 * up <= count; j += 4 * up) {
    #pragma GCC unroll 8
            for (int turn = 0; turn < up; turn++) {
                tl_place four[4];
                for (int o = 0; o < 4; o++) {
                    const int i = (4 * turn + o) * down;
                    four[o].x = place.x + i / up;
                    four[o].row = place.row + (i % up) * width;
                }
                _mm_storel_epi64((__m128i *)(out + j + 4 * turn), tl_four(four, width, gains));
            }
            place.x += 4 * down;
        }
        tl_fir_plain(place, pace, width, gain, out + j, count - j);
    }

    TL_AVX2 static void tl_fir_avx2(tl_place place, tl_pace pace, int width, int up, int down, int phase,
                                    double gain, int16_t *out, int count)
    {
    #define TL_KNOWN(u, d, w) \
        if (up == u && down == d && width == w && phase == 0) { \
            tl_fir_known(place, w, u, d, gain, out, count); \
            return; \
        }
        TL_KNOWN(2, 1, 48)  /* 8 to 16 kHz */
        TL_KNOWN(3, 1, 48)  /* 8 to 24 */
        TL_KNOWN(6, 1, 48)  /* 8 to 48 */
        TL_KNOWN(1, 2, 96)
        TL_KNOWN(1, 3, 144)
        TL_KNOWN(1, 6, 288)
        TL_KNOWN(3, 2, 48)  /* 16 to 24 */
        TL_KNOWN(2, 3, 80)
    #undef TL_KNOWN
        if (width == 48)
            tl_fir_any(place, pace, 48, gain, out, count);  /* unrolled */
        else
            tl_fir_any(place, pace, width, gain, out, count);
    }
    #endif

    /* The first output lies at x[at] + phase/up samples, each further one down/up samples later. */
    static void tl_fir(const int16_t *x, const int16_t *taps, int width, int up, int down,
                       int at, int phase, double gain, int16_t *out, int count)
    {
        const tl_place place = {x + at, taps + (ptrdiff_t)phase * width};
        const tl_pace pace = tl_pace_of(taps, width, up, down);
    #ifdef TL_AVX2
        if (__builtin_cpu_supports("avx2"))
            tl_fir_avx2(place, pace, width, up, down, phase, gain, out, count);
        else
    #endif
            tl_fir_plain(place, pace, width, gain, out, count);
    }

    static void tl_level(const int16_t *x, ptrdiff_t n, int ceiling,
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
                double gain, int16_t *out, int count) noexcept nogil
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

cdef dict LAWS = {"pcm16": PCM16, "mulaw": MULAW, "alaw": ALAW}


Buffer = bytes | bytearray | memoryview


cdef bytes as_bytes(object data):
    if isinstance(data, Buffer):
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
    """PCM16 of mu-law codes, one sample for each byte."""
    return decoded(MULAW, mulaw)


def decode_alaw(alaw):
    """PCM16 of A-law codes, one sample for each byte."""
    return decoded(ALAW, alaw)


def encode_mulaw(pcm16):
    """Mu-law codes of PCM16, one byte for each sample."""
    return encoded(MULAW, pcm16)


def encode_alaw(pcm16):
    """A-law codes of PCM16, one byte for each sample."""
    return encoded(ALAW, pcm16)


# --- the resampler -----------------------------------------------------------------------------------------------

cdef enum:
    WIDEST = 288  # 48 taps at the lower rate are 288 samples at six times that rate: 48 to 8 kHz
    BLOCK = 480  # input samples worked on at a time, on the stack


cdef class Taps:
    """The filter of one rate pair, ``up`` rows of ``width`` integer taps, oldest sample first. Shared by all streams.

    ``rows`` is int16 in native order. A row's taps add up to ``unity``, so that level and silence pass exactly.
    """

    cdef int16_t *taps
    cdef void *memory
    cdef double gain
    cdef readonly int up, down, width, tail
    cdef readonly double delay_ms

    def __cinit__(self, *, int up, int down, int width, int tail, int unity, double delay_ms, bytes rows not None):
        cdef const int16_t *given = <const int16_t *>PyBytes_AS_STRING(rows)
        cdef int row, k, total, magnitude
        if not (up > 0 and down > 0 and unity > 0 and 0 < tail < width <= WIDEST and width % 16 == 0):
            raise AudioError(f"a filter can't be {up}/{down} with {width} taps")
        if PyBytes_GET_SIZE(rows) != 2 * up * width:
            raise AudioError(f"{up} rows of {width} taps are {2 * up * width} bytes, not {PyBytes_GET_SIZE(rows)}")
        for row in range(up):
            total = magnitude = 0
            for k in range(width):
                total += given[row * width + k]
                magnitude += abs(<int>given[row * width + k])
            # No sum of samples times taps, whole or in part, exceeds 32768 * 65535 < 2^31: 32 bits are enough, and
            # the order of adding, hence the vector width and the cut of the input, can't show in the result.
            if total != unity or magnitude > 65535:
                raise AudioError(f"row {row} of the taps adds up to {total}, magnitude {magnitude}")
        self.memory = malloc(2 * up * width + 63)
        if self.memory == NULL:
            raise MemoryError
        self.taps = <int16_t *>((<size_t>self.memory + 63) & ~<size_t>63)
        memcpy(self.taps, given, 2 * up * width)
        self.up, self.down, self.width, self.tail = up, down, width, tail
        self.gain = 1.0 / unity
        self.delay_ms = delay_ms

    def __dealloc__(self):
        free(self.memory)


cdef class Stream:
    """One stream of audio on its way from one law and rate to another; ``taps`` is None where the rate stays.

    Not to be used by two streams, or two threads, at once.
    """

    cdef Taps taps
    cdef int source, target  # laws
    cdef int at, phase  # the next output lies at input sample at + phase/up, counted from the next to arrive
    cdef int half  # first byte of a sample cut in two, or -1
    cdef bint started
    cdef int16_t history[WIDEST]  # the last width - 1 samples

    def __cinit__(self, Taps taps, str source not None, str target not None):
        self.taps = taps
        self.source = LAWS[source]
        self.target = LAWS[target]
        self.reset()

    cpdef reset(self):
        """Forget all that was heard: the next sample is the first of a new stream."""
        self.at = self.phase = 0
        self.half = -1
        self.started = False
        memset(self.history, 0, sizeof(self.history))

    def process(self, data):
        """The audio that ``data`` completes. Any cut of the same bytes gives the same bytes, in the same total."""
        if type(data) is not bytes:
            data = as_bytes(data)
        cdef Py_ssize_t n = PyBytes_GET_SIZE(data)
        if self.source == PCM16:
            if self.half >= 0 and n:
                data = bytes((self.half,)) + <bytes>data
                self.half = -1
                n += 1
            if n & 1:
                self.half = (<const uint8_t *>PyBytes_AS_STRING(data))[n - 1]
                n -= 1
                if self.taps is None and self.target == PCM16:
                    return (<bytes>data)[:n]
            n >>= 1
        if n == 0:
            return b""
        if self.taps is None:
            if self.source == self.target:
                return data
            return relabelled(self.source, self.target, <const uint8_t *>PyBytes_AS_STRING(data), n)
        return self.resampled(<const uint8_t *>PyBytes_AS_STRING(data), n)

    def flush(self):
        """What the filter still holds, as if silence followed; then start anew. Half a sample is dropped."""
        out = self.resampled(NULL, self.taps.tail) if self.taps is not None and self.started else b""
        self.reset()
        return out

    cdef bytes resampled(self, const uint8_t *data, Py_ssize_t n):
        cdef Taps taps = self.taps
        cdef int past = taps.width - 1
        cdef int size = 2 if self.target == PCM16 else 1
        cdef Py_ssize_t ahead = n * taps.up - self.at * taps.up - self.phase
        cdef Py_ssize_t total = (ahead + taps.down - 1) // taps.down if ahead > 0 else 0
        cdef bytes out = PyBytes_FromStringAndSize(NULL, total * size)
        cdef uint8_t *target = <uint8_t *>PyBytes_AS_STRING(out)
        cdef int16_t x[WIDEST + BLOCK]
        cdef int16_t y[BLOCK]
        cdef int m, count, moved
        self.started = True
        memcpy(x, self.history, 2 * past)
        while n:
            m = <int>min(n, BLOCK)
            if data == NULL:
                memset(x + past, 0, 2 * m)
            elif self.source == PCM16:
                memcpy(x + past, data, 2 * m)
                data += 2 * m
            else:
                decode(self.source, data, x + past, m)
                data += m
            n -= m
            while self.at < m:
                count = (m * taps.up - self.at * taps.up - self.phase + taps.down - 1) // taps.down
                count = min(count, BLOCK)
                if self.target == PCM16:
                    tl_fir(x, taps.taps, taps.width, taps.up, taps.down, self.at, self.phase, taps.gain,
                           <int16_t *>target, count)
                else:
                    tl_fir(x, taps.taps, taps.width, taps.up, taps.down, self.at, self.phase, taps.gain,
                           y, count)
                    encode(self.target, y, target, count)
                target += count * size
                moved = self.phase + count * taps.down
                self.at += moved // taps.up
                self.phase = moved % taps.up
            self.at -= m
            memmove(x, x + m, 2 * past)
        memcpy(self.history, x, 2 * past)
        return out


cdef bytes relabelled(int source, int target, const uint8_t *data, Py_ssize_t n):
    """The same samples in another law."""
    cdef bytes out
    cdef int16_t x[BLOCK]
    cdef uint8_t *codes
    cdef Py_ssize_t m
    if source == PCM16:
        out = PyBytes_FromStringAndSize(NULL, n)
        encode(target, <const int16_t *>data, <uint8_t *>PyBytes_AS_STRING(out), n)
        return out
    if target == PCM16:
        out = PyBytes_FromStringAndSize(NULL, 2 * n)
        decode(source, data, <int16_t *>PyBytes_AS_STRING(out), n)
        return out
    out = PyBytes_FromStringAndSize(NULL, n)
    codes = <uint8_t *>PyBytes_AS_STRING(out)
    while n:
        m = min(n, BLOCK)
        decode(source, data, x, m)
        encode(target, x, codes, m)
        data += m
        codes += m
        n -= m
    return out


# --- levels ------------------------------------------------------------------------------------------------------

def level(pcm16, int ceiling):
    """Lowest and highest sample, their sum, the sum of their squares, how many reach the ceiling, and how many."""
    if type(pcm16) is not bytes:
        pcm16 = as_bytes(pcm16)
    if PyBytes_GET_SIZE(pcm16) & 1:
        raise AudioError(f"PCM16 comes in whole 2-byte samples, not {PyBytes_GET_SIZE(pcm16)} bytes")
    cdef Py_ssize_t n = PyBytes_GET_SIZE(pcm16) >> 1
    cdef int low, high
    cdef int64_t total, squares
    cdef Py_ssize_t clipped
    tl_level(<const int16_t *>PyBytes_AS_STRING(pcm16), n, ceiling, &low, &high, &total, &squares, &clipped)
    return low, high, total, squares, clipped, n
