#include "memories/device_kernels.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include "emend/error.h"
#include "memories/sweep_arguments.h"

namespace emend {

namespace {

using sweep_kernels::SweepArguments;
using Step = DeviceKernels::Step;

constexpr unsigned kThreadsOfRows = 128, kThreadsOfCells = 32;

// The kernels of a step by type of the coefficients: float, bfloat16, half.
struct StepKernels {
  std::array<const char*, 3> names;
  std::array<void (*)(SweepArguments), 3> functions;
};

const StepKernels& kernels_of(Step step) {
  using namespace sweep_kernels;
  static const std::map<Step, StepKernels> all = {
      {Step::kSweep,
       {{"sweep_float", "sweep_bfloat16", "sweep_float16"}, {sweep_float, sweep_bfloat16, sweep_float16}}},
      {Step::kSweepPairs,
       {{"sweep_float", "sweep_pairs_bfloat16", "sweep_pairs_float16"},
        {sweep_float, sweep_pairs_bfloat16, sweep_pairs_float16}}},
      {Step::kMerge, {{"merge_rows", "merge_rows", "merge_rows"}, {merge_rows, merge_rows, merge_rows}}},
      {Step::kDraw,
       {{"draw_float", "draw_bfloat16", "draw_float16"}, {draw_float, draw_bfloat16, draw_float16}}},
      {Step::kBins,
       {{"bins_float", "bins_bfloat16", "bins_float16"}, {bins_float, bins_bfloat16, bins_float16}}}};
  return all.at(step);
}

std::size_t number_of(at::ScalarType type) {
  if (type == at::kFloat) return 0;
  if (type == at::kBFloat16) return 1;
  if (type == at::kHalf) return 2;
  throw Error(ErrorKind::kModel,
              fmt::format("coefficients in {} cannot be swept; float32, bfloat16 and float16 can",
                          c10::toString(type)));
}

struct Grid {
  unsigned across, down, threads;
};

Grid grid_of(Step step, std::int64_t across, std::int64_t down) {
  const bool rows = step == Step::kSweep || step == Step::kSweepPairs;
  const unsigned threads = rows ? kThreadsOfRows : kThreadsOfCells;
  return {static_cast<unsigned>((across + threads - 1) / threads), static_cast<unsigned>(down), threads};
}

class KernelsOfTheCpu : public DeviceKernels {
 public:
  void launch(Step step, at::ScalarType type, std::int64_t across, std::int64_t down,
              const SweepArguments& arguments) const override {
    const Grid grid = grid_of(step, across, down);
    const auto function = kernels_of(step).functions.at(number_of(type));
    at::parallel_for(0, std::int64_t{grid.across} * grid.down, 1, [&](std::int64_t begin, std::int64_t end) {
      sweep_kernels::blockDim = {grid.threads, 1};
      for (std::int64_t block = begin; block < end; ++block) {
        sweep_kernels::blockIdx = {static_cast<unsigned>(block % grid.across),
                                   static_cast<unsigned>(block / grid.across)};
        for (unsigned thread = 0; thread < grid.threads; ++thread) {
          sweep_kernels::threadIdx = {thread, 0};
          function(arguments);
        }
      }
    });
  }
};

// The kernels as a text; what it leaves to its includer, in CUDA's words.
const char* const kText =
    "#define EMEND_DEVICE __device__\n"
    "#define EMEND_KERNEL extern \"C\" __global__ void\n"
    "#define EMEND_CALLED __device__ __noinline__\n"
    "#define EMEND_UNROLLED _Pragma(\"unroll\")\n"
    "__device__ inline unsigned number_bits(float x) { return __float_as_uint(x); }\n"
    "__device__ inline float bits_number(unsigned bits) { return __uint_as_float(bits); }\n"
    "__device__ inline float half_number(unsigned short bits) {\n"
    "  float x;\n"
    "  asm(\"cvt.f32.f16 %0, %1;\" : \"=f\"(x) : \"h\"(bits));\n"
    "  return x;\n"
    "}\n"
    "__device__ inline void lower_to(unsigned long long* number, unsigned long long other) {\n"
    "  atomicMin(number, other);\n"
    "}\n"
    "__device__ inline void count_one(int* number) { atomicAdd(number, 1); }\n"
#define EMEND_KERNELS(...) #__VA_ARGS__
#include "memories/sweep_kernels.inc"
#undef EMEND_KERNELS
    ;

// The functions of the compiler and of the driver, by their C interfaces, from libraries that libtorch
// brings.
class CudaLibraries {
 public:
  // Throws Error(kModel) if one is not there.
  CudaLibraries() {
    // Its loader depends on both the compiler and the driver, so that a look-up there finds either.
    for (const char* const name :
         {"libcaffe2_nvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "libcuda.so.1"})
      if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) libraries_.push_back(library);
    take(create_program, "nvrtcCreateProgram");
    take(compile_program, "nvrtcCompileProgram");
    take(log_size, "nvrtcGetProgramLogSize");
    take(log, "nvrtcGetProgramLog");
    take(binary_size, "nvrtcGetCUBINSize");
    take(binary, "nvrtcGetCUBIN");
    take(destroy_program, "nvrtcDestroyProgram");
    take(current_device, "cuCtxGetDevice");
    take(device_attribute, "cuDeviceGetAttribute");
    take(load_module, "cuModuleLoadData");
    take(get_function, "cuModuleGetFunction");
    take(launch_kernel, "cuLaunchKernel");
    take(error_name, "cuGetErrorName");
  }

  using Program = void*;
  int (*create_program)(Program*, const char* text, const char* name, int headers, const char* const*,
                        const char* const*) = nullptr;
  int (*compile_program)(Program, int count, const char* const* options) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*binary_size)(Program, std::size_t*) = nullptr;
  int (*binary)(Program, char*) = nullptr;
  int (*destroy_program)(Program*) = nullptr;
  int (*current_device)(int*) = nullptr;
  int (*device_attribute)(int*, int attribute, int device) = nullptr;
  int (*load_module)(void** module, const void* image) = nullptr;
  int (*get_function)(void** function, void* module, const char* name) = nullptr;
  int (*launch_kernel)(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                       unsigned shared_bytes, void* stream, void** arguments, void** extra) = nullptr;
  int (*error_name)(int, const char**) = nullptr;

  void require(int status, const char* what) const {
    if (status == 0) return;
    const char* name = nullptr;
    if (error_name(status, &name) != 0 || name == nullptr) name = "unknown error";
    throw Error(ErrorKind::kModel, fmt::format("{}: {} ({})", what, name, status));
  }

 private:
  template <typename Function>
  void take(Function& function, const char* name) const {
    for (void* const library : libraries_)
      if (void* const found = dlsym(library, name)) {
        function = reinterpret_cast<Function>(found);
        return;
      }
    throw Error(ErrorKind::kModel, fmt::format("no library of CUDA has {}", name));
  }

  std::vector<void*> libraries_;  // open until the process ends
};

class KernelsOfCuda : public DeviceKernels {
 public:
  explicit KernelsOfCuda(const at::Device& device) : device_(device) {
    const c10::DeviceGuard guard(device_);
    // A thread has a context of the driver only after its first use of the device's memory.
    const at::Tensor touched = at::zeros({1}, at::TensorOptions(device_));
    int number = 0, major = 0, minor = 0;
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
    cuda_.require(cuda_.current_device(&number), "cuCtxGetDevice");
    cuda_.require(cuda_.device_attribute(&major, kMajor, number), "cuDeviceGetAttribute");
    cuda_.require(cuda_.device_attribute(&minor, kMinor, number), "cuDeviceGetAttribute");
    void* module = nullptr;
    cuda_.require(cuda_.load_module(&module, compiled(10 * major + minor).data()), "cuModuleLoadData");
    for (const Step step : {Step::kSweep, Step::kSweepPairs, Step::kMerge, Step::kDraw, Step::kBins})
      for (const char* const name : kernels_of(step).names)
        cuda_.require(cuda_.get_function(&functions_[name], module, name), name);
  }

  void launch(Step step, at::ScalarType type, std::int64_t across, std::int64_t down,
              const SweepArguments& arguments) const override {
    const c10::DeviceGuard guard(device_);
    const c10::Stream stream = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
    if (stream.id() != 0)  // whose handle CUDA's headers alone would tell
      throw Error(ErrorKind::kModel, "a sweep of memories runs on the default stream of its device only");
    const Grid grid = grid_of(step, across, down);
    SweepArguments copy = arguments;
    void* list[] = {&copy};
    const char* const name = kernels_of(step).names.at(number_of(type));
    cuda_.require(cuda_.launch_kernel(functions_.at(name), grid.across, grid.down, 1, grid.threads, 1, 1, 0,
                                      nullptr, list, nullptr),
                  name);
  }

 private:
  // The text as machine code of a compute capability: 90 is 9.0.
  std::vector<char> compiled(int capability) const {
    const auto accept = [](int status, const char* what) {
      if (status != 0) throw Error(ErrorKind::kModel, fmt::format("{} failed with {}", what, status));
    };
    CudaLibraries::Program program = nullptr;
    accept(cuda_.create_program(&program, kText, "sweep_kernels.cu", 0, nullptr, nullptr),
           "nvrtcCreateProgram");
    const std::string target = fmt::format("-arch=sm_{}", capability);
    const std::array options = {target.c_str(), "-std=c++17"};
    if (cuda_.compile_program(program, static_cast<int>(options.size()), options.data()) != 0) {
      std::size_t size = 0;
      accept(cuda_.log_size(program, &size), "nvrtcGetProgramLogSize");
      std::string log(size, ' ');
      accept(cuda_.log(program, log.data()), "nvrtcGetProgramLog");
      throw Error(ErrorKind::kModel,
                  fmt::format("the kernels do not compile for {}: {}", target, log.c_str()));
    }
    std::size_t size = 0;
    accept(cuda_.binary_size(program, &size), "nvrtcGetCUBINSize");
    std::vector<char> code(size);
    accept(cuda_.binary(program, code.data()), "nvrtcGetCUBIN");
    accept(cuda_.destroy_program(&program), "nvrtcDestroyProgram");
    return code;
  }

  at::Device device_;
  CudaLibraries cuda_;
  std::map<std::string, void*> functions_;
};

// Of one device: its kernels, or why there are none.
struct Made {
  std::unique_ptr<DeviceKernels> kernels;
  std::string why_not;
};

Made make_kernels(const at::Device& device) {
  try {
    if (device.is_cpu()) return {std::make_unique<KernelsOfTheCpu>(), ""};
    if (device.is_cuda()) return {std::make_unique<KernelsOfCuda>(device), ""};
    return {nullptr, fmt::format("there are no kernels for {}", device.str())};
  } catch (const Error& error) {
    return {nullptr, error.what()};
  } catch (const c10::Error& error) {
    return {nullptr, error.what_without_backtrace()};
  }
}

}  // namespace

const DeviceKernels* DeviceKernels::of(const at::Device& device, std::string* why_not) {
  static std::mutex mutex;
  static auto& known =
      *new std::map<std::string, Made>;  // never deleted: the driver ends before static objects do
  const std::lock_guard lock(mutex);
  auto found = known.find(device.str());
  if (found == known.end()) found = known.emplace(device.str(), make_kernels(device)).first;
  if (why_not != nullptr) *why_not = found->second.why_not;
  return found->second.kernels.get();
}

}  // namespace emend
