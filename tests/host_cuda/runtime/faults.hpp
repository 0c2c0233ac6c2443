#pragma once

namespace krigon::host_cuda {

/// Tells a fault in the device's or a block's memory from others, in words; others go the usual way.
void install_fault_handler();

}  // namespace krigon::host_cuda
