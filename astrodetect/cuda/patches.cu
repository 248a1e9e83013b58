// Cut patches out of images, and carry gradients of patches back into images.
//
// One launch serves all K patches of all B images of C planes. A thread makes chunks of V elements:
// V divides the width of a patch, so a chunk lies in one row of the patch and is stored by one
// access of at most 16 bytes. The source of a chunk starts anywhere; it is read by 16-byte or 4-byte
// words and shifted into place, and never by a word that reaches beyond the end of its row.
//
// The same text is built for the CPU by the tests, with thread and block indices as loops.

#ifdef __CUDACC__
#include <cuda_fp16.h>
#endif

namespace {

typedef long long Index;
typedef unsigned int Word;
typedef unsigned long long Address;

// Chunks that a thread has in flight before it stores the first.
constexpr int IN_FLIGHT = 4;

template <int BYTES> struct StoredAs;
template <> struct StoredAs<16> { typedef uint4 type; };
template <> struct StoredAs<8> { typedef uint2 type; };
template <> struct StoredAs<4> { typedef Word type; };
template <> struct StoredAs<2> { typedef unsigned short type; };
template <> struct StoredAs<1> { typedef unsigned char type; };

template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    T value[N];
};

struct Images {
    const void *pixels;
    Index image_stride, plane_stride, row_stride, pixel_stride;  // elements
    int n_planes, height, width;
};

struct Corners {
    const void *yx;
    int wide;  // whether 64 bits each
    Index n_patches;
    int per_image;
};

__device__ __forceinline__ Index clamped(Index value, Index low, Index high) {
    return value < low ? low : value > high ? high : value;
}

// Beyond -size and length a patch lies outside whatever its corner, so clamping changes nothing and
// keeps later sums from overflowing.
__device__ __forceinline__ Index corner(const Corners &corners, Index number, int axis, int size, int length) {
    const Index at = 2 * number + axis;
    const Index value = corners.wide ? static_cast<const Index *>(corners.yx)[at]
                                     : static_cast<const int *>(corners.yx)[at];
    return clamped(value, -static_cast<Index>(size), length);
}

__device__ __forceinline__ float to_float(unsigned char value) { return value; }
__device__ __forceinline__ float to_float(unsigned short value) { return value; }
__device__ __forceinline__ float to_float(short value) { return value; }
__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }

template <typename Out> __device__ __forceinline__ Out from_float(float value);
template <> __device__ __forceinline__ float from_float<float>(float value) { return value; }
template <> __device__ __forceinline__ __half from_float<__half>(float value) { return __float2half_rn(value); }

template <typename T> struct Copied {
    typedef T In;
    typedef T Out;
    __device__ __forceinline__ Out operator()(In value) const { return value; }
};

// Product and sum are rounded one after the other, as any CPU does.
template <typename I, typename O> struct Converted {
    typedef I In;
    typedef O Out;
    float scale, offset;
    __device__ __forceinline__ Out operator()(In value) const {
        return from_float<Out>(__fadd_rn(__fmul_rn(to_float(value), scale), offset));
    }
};

template <typename T> __device__ __forceinline__ T from_bits(unsigned long long bits) {
    union {
        unsigned long long bits;
        T value;
    } both;
    both.bits = bits;
    return both.value;
}

// Read V elements of a row that ends at `end`. The first word may hold bytes before the first element:
// memory is aligned to more than a word, so they are of the same allocation.
template <typename In, int V>
__device__ __forceinline__ Pack<In, V> read_row(const In *source, const In *end) {
    constexpr int BYTES = V * sizeof(In);
    Pack<In, V> made;
    if constexpr (BYTES >= 4) {
        constexpr int N_WORDS = BYTES / 4;
        constexpr int WIDEST = BYTES < 16 ? BYTES : 16;
        typedef typename StoredAs<WIDEST>::type Widest;
        const Address address = reinterpret_cast<Address>(source);
        if (address % WIDEST == 0) {
            Widest *target = reinterpret_cast<Widest *>(&made);
#pragma unroll
            for (int i = 0; i < BYTES / WIDEST; ++i) target[i] = reinterpret_cast<const Widest *>(source)[i];
            return made;
        }
        const int shift = address % 4 * 8;
        const Word *words = reinterpret_cast<const Word *>(address - address % 4);
        Word *target = reinterpret_cast<Word *>(&made);
        if (shift == 0) {
#pragma unroll
            for (int i = 0; i < N_WORDS; ++i) target[i] = words[i];
            return made;
        }
        if (reinterpret_cast<Address>(words + N_WORDS + 1) <= reinterpret_cast<Address>(end)) {
            Word low = words[0];
#pragma unroll
            for (int i = 0; i < N_WORDS; ++i) {
                const Word high = words[i + 1];
                target[i] = __funnelshift_r(low, high, shift);
                low = high;
            }
            return made;
        }
    }
#pragma unroll
    for (int i = 0; i < V; ++i) made.value[i] = source[i];
    return made;
}

// Make V elements of row y of a patch from column `column` of the image on.
template <int V, typename Make>
__device__ __forceinline__ Pack<typename Make::Out, V> make_chunk(const typename Make::In *plane, const Images &images,
                                                                  Index y, Index column, typename Make::Out fill,
                                                                  const Make &make) {
    typedef typename Make::In In;
    Pack<typename Make::Out, V> made;
#pragma unroll
    for (int i = 0; i < V; ++i) made.value[i] = fill;
    if (y < 0 || y >= images.height || column >= images.width || column + V <= 0) return made;
    const In *row = plane + y * images.row_stride;
    if (images.pixel_stride == 1 && column >= 0 && column + V <= images.width) {
        const Pack<In, V> pixels = read_row<In, V>(row + column, row + images.width);
#pragma unroll
        for (int i = 0; i < V; ++i) made.value[i] = make(pixels.value[i]);
        return made;
    }
#pragma unroll
    for (int i = 0; i < V; ++i) {
        const Index x = column + i;
        if (x >= 0 && x < images.width) made.value[i] = make(row[x * images.pixel_stride]);
    }
    return made;
}

// threadIdx.y and blockIdx.x count patches; threadIdx.x and blockIdx.y count chunks of a patch.
template <int V, typename Make>
__device__ __forceinline__ void extract(const Images &images, const Corners &corners, void *patches, int height,
                                        int width, unsigned long long fill_bits, const Make &make) {
    typedef typename Make::In In;
    typedef typename Make::Out Out;
    typedef typename StoredAs<V * sizeof(Out)>::type Stored;
    const Index number = static_cast<Index>(blockIdx.x) * blockDim.y + threadIdx.y;
    if (number >= corners.n_patches) return;
    const Index top = corner(corners, number, 0, height, images.height);
    const Index left = corner(corners, number, 1, width, images.width);
    const In *image = static_cast<const In *>(images.pixels) + number / corners.per_image * images.image_stride;
    const Out fill = from_bits<Out>(fill_bits);
    const Word per_row = width / V;
    const Word n_chunks = per_row * height * images.n_planes;
    Stored *target = static_cast<Stored *>(patches) + number * n_chunks;
    const Word step = gridDim.y * blockDim.x;
    for (Word first = blockIdx.y * blockDim.x + threadIdx.x; first < n_chunks; first += step * IN_FLIGHT) {
        Pack<Out, V> made[IN_FLIGHT];
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            const Word chunk = first + i * step;
            if (chunk >= n_chunks) break;
            const Word line = chunk / per_row;
            const Word plane = line / height;
            const Index y = top + (line - plane * height);
            const Index column = left + static_cast<Index>(chunk - line * per_row) * V;
            made[i] = make_chunk<V>(image + plane * images.plane_stride, images, y, column, fill, make);
        }
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; ++i) {
            const Word chunk = first + i * step;
            if (chunk < n_chunks) target[chunk] = *reinterpret_cast<const Stored *>(&made[i]);
        }
    }
}

// Add the gradient of each element of a patch to that of the pixel that it was copied from.
template <typename Gradient, typename Sum>
__device__ __forceinline__ void scatter(const Corners &corners, const Gradient *gradients, Sum *sums, int n_planes,
                                        int image_height, int image_width, int height, int width, Sum scale) {
    const Index number = static_cast<Index>(blockIdx.x) * blockDim.y + threadIdx.y;
    if (number >= corners.n_patches) return;
    const Index top = corner(corners, number, 0, height, image_height);
    const Index left = corner(corners, number, 1, width, image_width);
    const Word n_elements = static_cast<Word>(width) * height * n_planes;
    const Gradient *source = gradients + number * n_elements;
    Sum *image = sums + number / corners.per_image * n_planes * image_height * image_width;
    const Word step = gridDim.y * blockDim.x;
    for (Word element = blockIdx.y * blockDim.x + threadIdx.x; element < n_elements; element += step) {
        const Word line = element / width;
        const Word plane = line / height;
        const Index y = top + (line - plane * height);
        const Index x = left + (element - line * width);
        if (y < 0 || y >= image_height || x < 0 || x >= image_width) continue;
        atomicAdd(image + (static_cast<Index>(plane) * image_height + y) * image_width + x,
                  static_cast<Sum>(source[element]) * scale);
    }
}

// The same sums, always in the order of the patches: a thread per pixel asks each patch of its image.
// A patch that misses the tile of the block is left out by all its threads alike.
template <typename Gradient, typename Sum>
__device__ __forceinline__ void gather(const Corners &corners, const Gradient *gradients, Sum *sums, int n_images,
                                       int n_planes, int image_height, int image_width, int height, int width,
                                       Sum scale) {
    const Index left = static_cast<Index>(blockIdx.x) * blockDim.x, x = left + threadIdx.x;
    for (Index image = blockIdx.z; image < n_images; image += gridDim.z) {
        for (Index top = static_cast<Index>(blockIdx.y) * blockDim.y; top < image_height;
             top += static_cast<Index>(gridDim.y) * blockDim.y) {
            const Index y = top + threadIdx.y;
            for (int plane = 0; plane < n_planes; ++plane) {
                Sum sum = 0;
                for (int k = 0; k < corners.per_image; ++k) {
                    const Index number = image * corners.per_image + k;
                    const Index first_y = corner(corners, number, 0, height, image_height);
                    const Index first_x = corner(corners, number, 1, width, image_width);
                    if (first_y >= top + blockDim.y || first_y + height <= top || first_x >= left + blockDim.x ||
                        first_x + width <= left)
                        continue;
                    if (y < first_y || y >= first_y + height || x < first_x || x >= first_x + width) continue;
                    const Index line = (number * n_planes + plane) * height + (y - first_y);
                    sum += static_cast<Sum>(gradients[line * width + (x - first_x)]);
                }
                if (y < image_height && x < image_width)
                    sums[((image * n_planes + plane) * image_height + y) * image_width + x] = sum * scale;
            }
        }
    }
}

}  // namespace

#define EXTRACTION(NAME, V, ...)                                                                                     \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        NAME(const void *pixels, Index image_stride, Index plane_stride, Index row_stride, Index pixel_stride,       \
             int n_planes, int image_height, int image_width, const void *corners_yx, int wide, Index n_patches,     \
             int per_image, void *patches, int height, int width, unsigned long long fill, float scale,              \
             float offset) {                                                                                         \
        const Images images = {pixels,       image_stride, plane_stride, row_stride,                                 \
                               pixel_stride, n_planes,     image_height, image_width};                               \
        const Corners corners = {corners_yx, wide, n_patches, per_image};                                            \
        (void)scale, (void)offset;                                                                                   \
        extract<V>(images, corners, patches, height, width, fill, __VA_ARGS__);                                      \
    }

#define COPIES(BYTES, TYPE, V) EXTRACTION(copy##BYTES##_##V, V, Copied<TYPE>())

#define CONVERSIONS(IN_NAME, IN)                                                                                     \
    EXTRACTION(IN_NAME##_float32_4, 4, (Converted<IN, float>{scale, offset}))                                        \
    EXTRACTION(IN_NAME##_float32_1, 1, (Converted<IN, float>{scale, offset}))                                        \
    EXTRACTION(IN_NAME##_float16_8, 8, (Converted<IN, __half>{scale, offset}))                                       \
    EXTRACTION(IN_NAME##_float16_4, 4, (Converted<IN, __half>{scale, offset}))                                       \
    EXTRACTION(IN_NAME##_float16_1, 1, (Converted<IN, __half>{scale, offset}))

#define GRADIENTS(NAME, GRADIENT, SUM)                                                                               \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        scatter_##NAME(const void *corners_yx, int wide, Index n_patches, int per_image, const void *gradients,      \
                       void *sums, int n_images, int n_planes, int image_height, int image_width, int height,        \
                       int width, double scale) {                                                                    \
        const Corners corners = {corners_yx, wide, n_patches, per_image};                                            \
        (void)n_images;                                                                                              \
        scatter(corners, static_cast<const GRADIENT *>(gradients), static_cast<SUM *>(sums), n_planes, image_height, \
                image_width, height, width, static_cast<SUM>(scale));                                                \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        gather_##NAME(const void *corners_yx, int wide, Index n_patches, int per_image, const void *gradients,       \
                      void *sums, int n_images, int n_planes, int image_height, int image_width, int height,         \
                      int width, double scale) {                                                                     \
        const Corners corners = {corners_yx, wide, n_patches, per_image};                                            \
        gather(corners, static_cast<const GRADIENT *>(gradients), static_cast<SUM *>(sums), n_images, n_planes,      \
               image_height, image_width, height, width, static_cast<SUM>(scale));                                   \
    }

COPIES(1, unsigned char, 16)
COPIES(1, unsigned char, 8)
COPIES(1, unsigned char, 1)
COPIES(2, unsigned short, 8)
COPIES(2, unsigned short, 4)
COPIES(2, unsigned short, 1)
COPIES(4, unsigned int, 4)
COPIES(4, unsigned int, 1)
COPIES(8, unsigned long long, 2)
COPIES(8, unsigned long long, 1)

CONVERSIONS(uint8, unsigned char)
CONVERSIONS(uint16, unsigned short)
CONVERSIONS(int16, short)
CONVERSIONS(float32, float)
CONVERSIONS(float16, __half)

GRADIENTS(float16, __half, float)
GRADIENTS(float32, float, float)
GRADIENTS(float64, double, double)
