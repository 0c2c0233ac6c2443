// For nvcc: that launch.cuh and the subset of CUDA mean the same to it.
#include "tests/host_cuda/executor_kernels.cuh"
