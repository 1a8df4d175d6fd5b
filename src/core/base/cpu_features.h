// What the processor and the operating system allow, found once at start.
#pragma once

#include <string>

namespace cadre {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C
  bool avx512 = false;       // AVX-512 F, BW, DQ and VL
  bool avx512_vnni = false;  // vpdpbusd
  bool avx512_bf16 = false;  // vdpbf16ps, and VNNI
  bool amx = false;          // tiles of bf16 and int8, granted to this process by the kernel
  std::string model_name;    // as in /proc/cpuinfo; empty if unknown
};

// Asks the kernel for the use of AMX tiles as a side effect; threads started later inherit it.
CpuFeatures detect_cpu_features();

}  // namespace cadre
