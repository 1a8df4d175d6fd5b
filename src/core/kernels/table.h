// The kernels of one instruction set. The table travels in the Context; nothing else chooses.
#pragma once

#include <string_view>
#include <vector>

#include "core/base/cpu_features.h"
#include "core/kernels/adamw.h"
#include "core/kernels/dequantise_rows.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gemm.h"
#include "core/kernels/mixture.h"
#include "core/kernels/pack_rows.h"
#include "core/kernels/peak.h"
#include "core/kernels/quantise.h"
#include "core/kernels/quantised_gemm.h"
#include "core/kernels/rms_norm.h"
#include "core/kernels/rope.h"
#include "core/kernels/round_blocks.h"
#include "core/kernels/rows.h"
#include "core/kernels/softmax.h"
#include "core/kernels/swiglu.h"

namespace cadre::kernels {

// What a table lacks comes from the next slower one, so no pointer is ever null.
struct KernelTable {
  std::string_view name;  // "scalar", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"
  GemmFn* gemm;
  QuantisedGemmFn* quantised_gemm;
  QuantiseRowsFn* quantise_rows;
  DequantiseRowsFn* dequantise_rows;
  PackRowsFn* pack_rows;
  RmsNormFn* rms_norm;
  RmsNormBackwardFn* rms_norm_backward;
  RmsNormBackwardWeightFn* rms_norm_backward_weight;
  AddBiasFn* add_bias;
  SumRowsFn* sum_rows;
  CenterRowsFn* center_rows;
  SigmoidGateFn* sigmoid_gate;
  SigmoidGateBackwardFn* sigmoid_gate_backward;
  RopeFn* rope;
  SwigluFn* swiglu;
  SwigluBackwardFn* swiglu_backward;
  CastFn* cast;
  AddFn* add;
  ClampFn* clamp;
  DropoutFn* dropout;
  SumSquaresFn* sum_squares;
  SoftmaxFn* softmax;
  SoftmaxBackwardFn* softmax_backward;
  AttentionTileFn* attention_tile;
  AttentionTileBackwardFn* attention_tile_backward;
  CrossEntropyFn* cross_entropy;
  TopKFn* top_k;
  GatherRowsFn* gather_rows;
  CombineFn* combine;
  CombineBackwardFn* combine_backward;
  AdamWFn* adamw;
  DequantiseFn* dequantise;
  QuantiseFn* quantise;
  RoundBlocksFn* round_blocks;
  PeakFlopsFn* peak_f32;
  PeakFlopsFn* peak_bf16;
  PeakFlopsFn* peak_i8;
  ReadMemoryFn* read_memory;
  WriteMemoryFn* write_memory;
  CopyMemoryFn* copy_memory;
};

// The definition of every kernel: the shortest loops that are obviously right.
const KernelTable& scalar_table();

// The tables that this processor can run, slowest (scalar) first.
std::vector<const KernelTable*> supported_tables(const CpuFeatures& features);

// The table of that name; "auto" is the fastest. Throws Error(invalid_input), naming those
// supported, if there is none of that name, or the processor lacks it.
const KernelTable& choose_table(const CpuFeatures& features, std::string_view name);

}  // namespace cadre::kernels
