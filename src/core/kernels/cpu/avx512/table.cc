#include "core/kernels/cpu/avx512/kernels.h"
#include "core/kernels/cpu/tables.h"

namespace cadre::kernels::avx512 {

const KernelTable& table() {
  static const KernelTable kTable = [] {
    KernelTable t = avx2::table();
    t.name = "avx512";
    t.gemm = gemm;
    t.quantise_rows = quantise_rows;
    t.rms_norm = rms_norm;
    t.rms_norm_backward = rms_norm_backward;
    t.rms_norm_backward_weight = rms_norm_backward_weight;
    t.add_bias = add_bias;
    t.sum_rows = sum_rows;
    t.center_rows = center_rows;
    t.sigmoid_gate = sigmoid_gate;
    t.sigmoid_gate_backward = sigmoid_gate_backward;
    t.rope = rope;
    t.swiglu = swiglu;
    t.swiglu_backward = swiglu_backward;
    t.cast = cast;
    t.add = add;
    t.clamp = clamp;
    t.dropout = dropout;
    t.sum_squares = sum_squares;
    t.softmax = softmax;
    t.softmax_backward = softmax_backward;
    t.attention_tile = attention_tile;
    t.attention_tile_backward = attention_tile_backward;
    t.cross_entropy = cross_entropy;
    t.dequantise_rows = dequantise_rows;
    t.pack_rows = pack_rows;
    t.top_k = top_k;
    t.combine = combine;
    t.combine_backward = combine_backward;
    t.adamw = adamw;
    t.peak_f32 = peak_f32;
    t.peak_bf16 = peak_f32;
    t.read_memory = read_memory;
    t.write_memory = write_memory;
    t.copy_memory = copy_memory;
    return t;
  }();
  return kTable;
}

const KernelTable& table_vnni() {
  static const KernelTable kTable = [] {
    KernelTable t = table();
    t.name = "avx512_vnni";
    t.quantised_gemm = quantised_gemm_vnni;
    t.peak_i8 = peak_i8_vnni;
    return t;
  }();
  return kTable;
}

const KernelTable& table_bf16() {
  static const KernelTable kTable = [] {
    KernelTable t = table_vnni();
    t.name = "avx512_bf16";
    t.gemm = gemm_bf16;
    t.attention_tile = attention_tile_bf16;
    t.peak_bf16 = peak_bf16;
    return t;
  }();
  return kTable;
}

}  // namespace cadre::kernels::avx512
