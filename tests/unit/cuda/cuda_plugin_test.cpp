#include <array>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "backend/plugin.hpp"
#include "tests/host_cuda/control.hpp"

extern "C" krigon::Backend* krigon_plugin(const krigon::PluginRequest* request, char* why, std::size_t size);

namespace krigon {
namespace {

using ::testing::HasSubstr;

/// What the plug-in says to a request that it refuses.
std::string refusal(const PluginRequest& request) {
  std::array<char, 512> why{};
  EXPECT_EQ(krigon_plugin(&request, why.data(), why.size()), nullptr);
  return why.data();
}

TEST(CudaPlugin, MakesABackend) {
  const PluginRequest request{kPluginIdentity, 0};
  const std::unique_ptr<Backend> backend(krigon_plugin(&request, nullptr, 0));
  ASSERT_NE(backend, nullptr);
  EXPECT_EQ(backend->info().device, "cuda:0");
}

TEST(CudaPlugin, RefusesInWords) {
  EXPECT_THAT(refusal({"0.0.1 of somebody else", 0}), HasSubstr("another build"));
  EXPECT_EQ(refusal({kPluginIdentity, 9}), "there is no device 9: 1 found, counted from 0");
  host_cuda::fail_call("cudaDriverGetVersion", cudaErrorNotSupported);
  EXPECT_EQ(refusal({kPluginIdentity, 0}), "there is no NVIDIA driver");
  host_cuda::fail_call("cudaGetDeviceCount", cudaErrorNoDevice);
  EXPECT_THAT(refusal({kPluginIdentity, 0}), HasSubstr("cudaErrorNoDevice"));
  host_cuda::fail_call("cublasCreate_v2", cudaErrorMemoryAllocation);
  EXPECT_THAT(refusal({kPluginIdentity, 0}), HasSubstr("cuBLAS: starting"));
  const PluginRequest request{"", 0};
  std::array<char, 4> little{'x', 'x', 'x', 'x'};
  EXPECT_EQ(krigon_plugin(&request, little.data(), little.size()), nullptr);
  EXPECT_EQ(std::string(little.data()), "the");
  EXPECT_EQ(krigon_plugin(&request, nullptr, 0), nullptr);
}

}  // namespace
}  // namespace krigon
