// What CUDA sources need to be built by a C++ compiler: thread and block indices are loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 { unsigned x, y, z; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };

static uint3 threadIdx, blockIdx, blockDim, gridDim;

struct __half {
    _Float16 value;
    operator float() const { return static_cast<float>(value); }
};
inline float __half2float(__half half) { return static_cast<float>(half.value); }
inline __half __float2half_rn(float value) { return {static_cast<_Float16>(value)}; }

// With -ffp-contract=off these are rounded one by one.
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return static_cast<unsigned>((static_cast<uint64_t>(high) << 32 | low) >> (shift & 31));
}

template <typename T> inline T atomicAdd(T *address, T value) {
    const T before = *address;
    *address = before + value;
    return before;
}

using std::max;
using std::min;
