#pragma once

/// Marks an element function: compiled for host and device alike, and always inlined. Inlining is a
/// must on the host: the same function is compiled into files with different instruction sets, and an
/// out-of-line copy of one of them could be linked into all.
#if defined(__CUDACC__)
#define KRIGON_ELEMENT __host__ __device__ __forceinline__
#else
#define KRIGON_ELEMENT [[gnu::always_inline]] inline
#endif
