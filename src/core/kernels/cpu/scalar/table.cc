#include "core/kernels/table.h"

#include "core/kernels/cpu/scalar/kernels.h"

namespace cadre::kernels {

const KernelTable& scalar_table() {
  static constexpr KernelTable kTable = {
      .name = "scalar",
      .gemm = scalar::gemm,
      .quantised_gemm = scalar::quantised_gemm,
      .quantise_rows = scalar::quantise_rows,
      .dequantise_rows = scalar::dequantise_rows,
      .pack_rows = scalar::pack_rows,
      .rms_norm = scalar::rms_norm,
      .rms_norm_backward = scalar::rms_norm_backward,
      .rms_norm_backward_weight = scalar::rms_norm_backward_weight,
      .add_bias = scalar::add_bias,
      .sum_rows = scalar::sum_rows,
      .center_rows = scalar::center_rows,
      .sigmoid_gate = scalar::sigmoid_gate,
      .sigmoid_gate_backward = scalar::sigmoid_gate_backward,
      .rope = scalar::rope,
      .swiglu = scalar::swiglu,
      .swiglu_backward = scalar::swiglu_backward,
      .cast = scalar::cast,
      .add = scalar::add,
      .clamp = scalar::clamp,
      .dropout = scalar::dropout,
      .sum_squares = scalar::sum_squares,
      .softmax = scalar::softmax,
      .softmax_backward = scalar::softmax_backward,
      .attention_tile = scalar::attention_tile,
      .attention_tile_backward = scalar::attention_tile_backward,
      .cross_entropy = scalar::cross_entropy,
      .top_k = scalar::top_k,
      .gather_rows = scalar::gather_rows,
      .combine = scalar::combine,
      .combine_backward = scalar::combine_backward,
      .adamw = scalar::adamw,
      .dequantise = scalar::dequantise,
      .quantise = scalar::quantise,
      .round_blocks = scalar::round_blocks,
      .peak_f32 = scalar::peak_f32,
      .peak_bf16 = scalar::peak_f32,
      .peak_i8 = scalar::peak_f32,
      .read_memory = scalar::read_memory,
      .write_memory = scalar::write_memory,
      .copy_memory = scalar::copy_memory,
  };
  return kTable;
}

}  // namespace cadre::kernels
