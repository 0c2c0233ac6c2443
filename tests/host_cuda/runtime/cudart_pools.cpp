// Stand-ins for the CUDA runtime's memory pools. Every pool is the device's memory itself: what is freed goes
// back to it at once, so that a use after it is found.
#include <set>

#include <cuda_runtime.h>
#include <fmt/format.h>

#include "tests/host_cuda/runtime/api.hpp"
#include "tests/host_cuda/runtime/streams.hpp"
#include "tests/host_cuda/runtime/violation.hpp"

using namespace krigon::host_cuda;

struct CUmemPoolHandle_st {};

namespace {

std::set<cudaMemPool_t>& pools() {
  static auto* live = new std::set<cudaMemPool_t>;  // outlives every static
  return *live;
}

void check_pool(cudaMemPool_t pool, const char* call) {
  if (!pools().contains(pool)) violation(fmt::format("{}: not a memory pool", call));
}

}  // namespace

extern "C" {

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties) {
  return api("cudaMemPoolCreate", [&] {
    if (properties->allocType != cudaMemAllocationTypePinned ||
        properties->location.type != cudaMemLocationTypeDevice) {
      return cudaErrorInvalidValue;
    }
    *pool = new CUmemPoolHandle_st;
    pools().insert(*pool);
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  return api("cudaMemPoolDestroy", [&] {
    check_pool(pool, "cudaMemPoolDestroy");
    pools().erase(pool);
    delete pool;
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr, void*) {
  return api("cudaMemPoolSetAttribute",
             [&] { return check_pool(pool, "cudaMemPoolSetAttribute"), cudaSuccess; });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, std::size_t) {
  return api("cudaMemPoolTrimTo", [&] { return check_pool(pool, "cudaMemPoolTrimTo"), cudaSuccess; });
}

cudaError_t cudaMallocFromPoolAsync(void** p, std::size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  const cudaError_t error = api("cudaMallocFromPoolAsync",
                                [&] { return check_pool(pool, "cudaMallocFromPoolAsync"), cudaSuccess; });
  return error == cudaSuccess ? cudaMallocAsync(p, bytes, stream) : error;
}

}  // extern "C"
