// Runs kernels for a test: reads launches from standard input and writes back the buffers.
//
// Each buffer is an allocation of its own of exactly its size, so that the address sanitizer sees
// every access beside it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "shim.h"

#include KERNELS

namespace {

template <typename T> T read_one() {
    T value;
    if (std::fread(&value, sizeof value, 1, stdin) != 1) std::exit(0);
    return value;
}

struct Buffer {
    char *memory = nullptr;
    int64_t size = -1;
    bool written = false;
};

std::vector<Buffer> buffers;

template <typename T> T argument() {
    if constexpr (std::is_pointer_v<T>) {
        Buffer buffer;
        buffer.size = read_one<int64_t>();
        const int64_t offset = read_one<int64_t>();
        if (buffer.size < 0) return nullptr;
        buffer.memory = static_cast<char *>(std::malloc(buffer.size));
        if (buffer.size && std::fread(buffer.memory, buffer.size, 1, stdin) != 1) std::exit(3);
        buffer.written = !std::is_const_v<std::remove_pointer_t<T>>;
        buffers.push_back(buffer);
        return reinterpret_cast<T>(buffer.memory + offset);
    } else if constexpr (std::is_floating_point_v<T>) {
        return static_cast<T>(read_one<double>());
    } else {
        return static_cast<T>(read_one<int64_t>());
    }
}

// Threads run one after the other, from the first or from the last.
template <typename Call> void for_all_threads(bool backwards, const Call &call) {
    const uint64_t extents[6] = {gridDim.x, gridDim.y, gridDim.z, blockDim.x, blockDim.y, blockDim.z};
    uint64_t n_threads = 1;
    for (uint64_t extent : extents) n_threads *= extent;
    for (uint64_t number = 0; number < n_threads; ++number) {
        uint64_t rest = backwards ? n_threads - 1 - number : number;
        unsigned index[6];
        for (int i : {3, 4, 5, 0, 1, 2}) {
            index[i] = rest % extents[i];
            rest /= extents[i];
        }
        blockIdx = {index[0], index[1], index[2]};
        threadIdx = {index[3], index[4], index[5]};
        call();
    }
}

template <typename... Types> void serve(void (*)(Types...), void *symbol, bool backwards) {
    const auto kernel = reinterpret_cast<void (*)(Types...)>(symbol);
    const std::tuple<Types...> arguments{argument<Types>()...};
    for_all_threads(backwards, [&] { std::apply(kernel, arguments); });
    for (Buffer &buffer : buffers) {
        if (buffer.written) std::fwrite(buffer.memory, 1, buffer.size, stdout);
        std::free(buffer.memory);
    }
    buffers.clear();
    std::fflush(stdout);
}

bool begins(const std::string &name, const char *with) { return name.rfind(with, 0) == 0; }

}  // namespace

int main() {
    for (;;) {
        std::string name(read_one<int64_t>(), ' ');
        if (std::fread(name.data(), name.size(), 1, stdin) != 1) return 3;
        const bool backwards = read_one<int64_t>() != 0;
        uint3 *dimensions[] = {&gridDim, &blockDim};
        for (uint3 *dimension : dimensions) {
            dimension->x = read_one<int64_t>();
            dimension->y = read_one<int64_t>();
            dimension->z = read_one<int64_t>();
        }
        void *symbol = dlsym(RTLD_DEFAULT, name.c_str());
        if (symbol == nullptr) {
            std::fprintf(stderr, "no kernel %s\n", name.c_str());
            return 4;
        }
#ifdef REDUCTIONS
        serve(&count_uint8, symbol, backwards);
#else
        if (begins(name, "scatter_") || begins(name, "gather_"))
            serve(&scatter_float32, symbol, backwards);
        else
            serve(&copy1_1, symbol, backwards);
#endif
    }
}
