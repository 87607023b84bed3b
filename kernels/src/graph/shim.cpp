// CUDA graphs of libtorch 2.11 without its CUDA headers: the half that speaks to a GPU is loaded at run time if there is one (runtime/src/device.rs),
// so its functions are looked up by name. Nothing that is thrown leaves this file.

#include <dlfcn.h>

#include <cstdio>
#include <exception>
#include <new>
#include <utility>

namespace {

// at::cuda::CUDAGraph takes less than half of this.
constexpr std::size_t kGraphBytes = 1024;
// cudaStreamCaptureModeThreadLocal: what other threads ask of the device meanwhile is theirs.
constexpr int kThreadLocal = 1;
// c10::cuda::CUDAStream: a device and a number, 16 bytes without a constructor of their own, so that they travel in registers.
struct Stream {
  long long device;
  long long id;
};
using Pool = std::pair<unsigned long long, unsigned long long>;

struct Functions {
  void (*create)(void*, bool);
  void (*destroy)(void*);
  void (*begin)(void*, Pool, int);
  void (*end)(void*);
  void (*replay)(void*);
  Stream (*stream)(bool, signed char);
  void (*use)(Stream);
  const char* missing;
};

template <typename F>
void find(Functions& functions, F& into, const char* name) {
  into = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
  if (into == nullptr && functions.missing == nullptr) functions.missing = name;
}

const Functions& functions() {
  static const Functions found = [] {
    Functions f{};
    find(f, f.create, "_ZN2at4cuda9CUDAGraphC1Eb");
    find(f, f.destroy, "_ZN2at4cuda9CUDAGraphD1Ev");
    find(f, f.begin, "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode");
    find(f, f.end, "_ZN2at4cuda9CUDAGraph11capture_endEv");
    find(f, f.replay, "_ZN2at4cuda9CUDAGraph6replayEv");
    find(f, f.stream, "_ZN3c104cuda17getStreamFromPoolEba");
    find(f, f.use, "_ZN3c104cuda20setCurrentCUDAStreamENS0_10CUDAStreamE");
    return f;
  }();
  return found;
}

// 0, or 1 with words in `error`.
template <typename F>
int guarded(char* error, std::size_t room, F&& work) noexcept {
  const char* missing = functions().missing;
  if (missing != nullptr) {
    std::snprintf(error, room, "libtorch has no %s", missing);
    return 1;
  }
  try {
    work();
    return 0;
  } catch (const std::exception& e) {
    std::snprintf(error, room, "%s", e.what());
  } catch (...) {
    std::snprintf(error, room, "an exception without words");
  }
  return 1;
}

}  // namespace

extern "C" {

int reverie_stream_own(char* error, std::size_t room) noexcept {
  return guarded(error, room, [] { functions().use(functions().stream(false, -1)); });
}

// A graph that is being recorded, or null.
void* reverie_graph_begin(char* error, std::size_t room) noexcept {
  void* graph = nullptr;
  const int failed = guarded(error, room, [&] {
    void* room_for_it = ::operator new(kGraphBytes, std::align_val_t{64});
    try {
      functions().create(room_for_it, false);
    } catch (...) {
      ::operator delete(room_for_it, std::align_val_t{64});
      throw;
    }
    graph = room_for_it;
    functions().begin(graph, Pool{0, 0}, kThreadLocal);
  });
  if (failed == 0) return graph;
  if (graph != nullptr) {
    functions().destroy(graph);
    ::operator delete(graph, std::align_val_t{64});
  }
  return nullptr;
}

int reverie_graph_end(void* graph, char* error, std::size_t room) noexcept {
  return guarded(error, room, [&] { functions().end(graph); });
}

int reverie_graph_replay(void* graph, char* error, std::size_t room) noexcept {
  return guarded(error, room, [&] { functions().replay(graph); });
}

void reverie_graph_drop(void* graph) noexcept {
  try {
    functions().destroy(graph);
  } catch (...) {
    // Its memory is lost to the device; there is nobody to tell.
  }
  ::operator delete(graph, std::align_val_t{64});
}
}
