// The functions of the AVX-512 tables; what is not here comes from the AVX2 one.
#pragma once

#include "core/kernels/adamw.h"
#include "core/kernels/dequantise_rows.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/gemm.h"
#include "core/kernels/mixture.h"
#include "core/kernels/pack_rows.h"
#include "core/kernels/peak.h"
#include "core/kernels/quantised_gemm.h"
#include "core/kernels/rms_norm.h"
#include "core/kernels/rope.h"
#include "core/kernels/rows.h"
#include "core/kernels/softmax.h"
#include "core/kernels/swiglu.h"

namespace cadre::kernels::avx512 {

GemmFn gemm;
// bf16 with vdpbf16ps; f32 as gemm. Only where the processor has AVX512_BF16.
GemmFn gemm_bf16;
// Only where the processor has AVX512_VNNI.
QuantisedGemmFn quantised_gemm_vnni;
QuantiseRowsFn quantise_rows;
RmsNormFn rms_norm;
RmsNormBackwardFn rms_norm_backward;
RmsNormBackwardWeightFn rms_norm_backward_weight;
AddBiasFn add_bias;
SumRowsFn sum_rows;
CenterRowsFn center_rows;
SigmoidGateFn sigmoid_gate;
SigmoidGateBackwardFn sigmoid_gate_backward;
RopeFn rope;
SwigluFn swiglu;
SwigluBackwardFn swiglu_backward;
CastFn cast;
AddFn add;
ClampFn clamp;
DropoutFn dropout;
SumSquaresFn sum_squares;
SoftmaxFn softmax;
SoftmaxBackwardFn softmax_backward;
AttentionTileFn attention_tile;
AttentionTileFn attention_tile_bf16;
AttentionTileBackwardFn attention_tile_backward;
CrossEntropyFn cross_entropy;
DequantiseRowsFn dequantise_rows;
PackRowsFn pack_rows;
TopKFn top_k;
CombineFn combine;
CombineBackwardFn combine_backward;
AdamWFn adamw;
PeakFlopsFn peak_f32;
PeakFlopsFn peak_bf16;
PeakFlopsFn peak_i8_vnni;
ReadMemoryFn read_memory;
WriteMemoryFn write_memory;
CopyMemoryFn copy_memory;

}  // namespace cadre::kernels::avx512
