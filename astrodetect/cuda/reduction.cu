// Reduce a window of T frames to planes: each pixel of each frame is read once where T is known.
//
// Frames lie in a ring of slots; frame t of the window is in slot (first + t) modulo the number of
// slots. A thread makes a pixel: neighbouring threads read neighbouring pixels, and the T reads of a
// thread do not depend on each other. Sums are of integers and exact.
//
// The same text is built for the CPU by the tests, with thread and block indices as loops. What
// selects the median of T values is written below it by the host (one structure per T).

namespace {

typedef long long Index;
typedef unsigned long long Sum;

struct Window {
    const void *frames;
    Index frame_stride;  // elements
    int n_frames, first, n_slots;
    Index n_pixels;
};

// Planes that nobody needs are null.
struct Planes {
    void *maximum, *argmax;
    int wide_argmax;
    void *median;
    float *image, *mean, *deviation;
};

template <typename Pixel> struct Values {
    const Pixel *frames;
    Index stride;
    int first, n_slots;
    __device__ __forceinline__ int operator[](int t) const {
        int slot = first + t;
        if (slot >= n_slots) slot -= n_slots;
        return frames[slot * stride];
    }
};

struct Running {
    int best, argmax;
    Index sum;
    Sum squares;
    __device__ __forceinline__ void add(int value, int t) {
        if (t == 0 || value > best) {
            best = value;
            argmax = t;
        }
        sum += value;
        squares += static_cast<Sum>(static_cast<Index>(value) * value);
    }
};

template <typename Pixel>
__device__ __forceinline__ void write(const Planes &planes, Index at, int n_frames, const Running &running, int low,
                                      int high) {
    if (planes.maximum) static_cast<Pixel *>(planes.maximum)[at] = static_cast<Pixel>(running.best);
    if (planes.argmax && planes.wide_argmax) static_cast<unsigned short *>(planes.argmax)[at] = running.argmax;
    if (planes.argmax && !planes.wide_argmax) static_cast<unsigned char *>(planes.argmax)[at] = running.argmax;
    // Halves of 17-bit integers are exact in single precision.
    const float middle = 0.5f * static_cast<float>(low + high);
    if (planes.median && n_frames % 2) static_cast<Pixel *>(planes.median)[at] = static_cast<Pixel>(low);
    if (planes.median && n_frames % 2 == 0) static_cast<float *>(planes.median)[at] = middle;
    if (planes.image) planes.image[at] = static_cast<float>(running.best) - middle;
    if (planes.mean) planes.mean[at] = static_cast<float>(static_cast<double>(running.sum) / n_frames);
    if (planes.deviation) {
        const Sum square = static_cast<Sum>(running.sum * running.sum);
        const double spread = static_cast<double>(n_frames * running.squares - square);
        planes.deviation[at] = static_cast<float>(sqrt(spread) / n_frames);
    }
}

// T values in registers, the median by minima and maxima.
template <typename Pixel, typename Network>
__device__ __forceinline__ void reduce_by_network(const Window &window, const Planes &planes) {
    constexpr int N = Network::n_frames;
    const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
    for (Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; at < window.n_pixels; at += step) {
        const Values<Pixel> pixel = {static_cast<const Pixel *>(window.frames) + at, window.frame_stride, window.first,
                                     window.n_slots};
        int values[N];
#pragma unroll
        for (int t = 0; t < N; ++t) values[t] = pixel[t];
        Running running = {0, 0, 0, 0};
#pragma unroll
        for (int t = 0; t < N; ++t) running.add(values[t], t);
        int low = 0, high = 0;
        if (planes.median || planes.image) Network::select(values, low, high);
        write<Pixel>(planes, at, N, running, low, high);
    }
}

// Any number of frames: the median bit by bit, by counting the values below a guess.
template <typename Pixel, int LOWEST>
__device__ __forceinline__ void reduce_by_counting(const Window &window, const Planes &planes) {
    const int n = window.n_frames, rank = (n - 1) / 2;
    const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
    for (Index at = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; at < window.n_pixels; at += step) {
        const Values<Pixel> pixel = {static_cast<const Pixel *>(window.frames) + at, window.frame_stride, window.first,
                                     window.n_slots};
        Running running = {0, 0, 0, 0};
        for (int t = 0; t < n; ++t) running.add(pixel[t], t);
        int low = LOWEST, high = 0;
        if (planes.median || planes.image) {
            for (int bit = 1 << (8 * sizeof(Pixel) - 1); bit; bit >>= 1) {
                int n_below = 0;
                for (int t = 0; t < n; ++t) n_below += pixel[t] < low + bit;
                if (n_below <= rank) low += bit;
            }
            high = low;
            if (n % 2 == 0) {
                int n_up_to = 0, next = 1 << 30;
                for (int t = 0; t < n; ++t) {
                    const int value = pixel[t];
                    n_up_to += value <= low;
                    if (value > low && value < next) next = value;
                }
                if (n_up_to <= n / 2) high = next;
            }
        }
        write<Pixel>(planes, at, n, running, low, high);
    }
}

}  // namespace

#define REDUCTION(NAME, ...)                                                                                         \
    extern "C" __global__ void __launch_bounds__(128)                                                                \
        NAME(const void *frames, Index frame_stride, int n_frames, int first, int n_slots, Index n_pixels,           \
             void *maximum, void *argmax, int wide_argmax, void *median, float *image, float *mean,                  \
             float *deviation) {                                                                                     \
        const Window window = {frames, frame_stride, n_frames, first, n_slots, n_pixels};                            \
        const Planes planes = {maximum, argmax, wide_argmax, median, image, mean, deviation};                        \
        __VA_ARGS__(window, planes);                                                                                 \
    }

REDUCTION(count_uint8, reduce_by_counting<unsigned char, 0>)
REDUCTION(count_uint16, reduce_by_counting<unsigned short, 0>)
REDUCTION(count_int16, reduce_by_counting<short, -32768>)

// The host writes here, for a window of T frames:
//
//     struct Median<T> { static constexpr int n_frames = T; static __device__ void select(...); };
//     REDUCTION(network_uint16_T, reduce_by_network<unsigned short, Median<T>>) and so on
