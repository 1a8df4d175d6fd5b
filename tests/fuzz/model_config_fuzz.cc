// A config.json: read into a spec whose sizes may be computed with.
#include "model/hf.h"
#include "model/parameters.h"
#include "tests/fuzz/fuzz.h"

namespace cadre::fuzz {

void read_input(std::string_view bytes) {
  const InputFile file(bytes, "config.json");
  const model::ModelSpec spec = model::read_spec(file.path());
  // A spec may describe any number of layers; only lists of a sane length are walked.
  if (spec.num_layers() < 1000) model::parameter_list(spec);
}

std::vector<std::string> seeds() {
  return {R"({"architectures":["OlmoeForCausalLM"],"attention_bias":false,"clip_qkv":null,)"
          R"("eos_token_id":50279,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,)"
          R"("intermediate_size":1024,"max_position_embeddings":4096,"model_type":"olmoe",)"
          R"("norm_topk_prob":false,"num_attention_heads":16,"num_experts":64,)"
          R"("num_experts_per_tok":8,"num_hidden_layers":16,"num_key_value_heads":16,)"
          R"("pad_token_id":1,"rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,)"
          R"("router_aux_loss_coef":0.01,"tie_word_embeddings":false,"torch_dtype":"bfloat16",)"
          R"("vocab_size":50304})",
          R"({"architectures":["ArcticForCausalLM"],"hidden_act":"silu","hidden_size":7168,)"
          R"("intermediate_size":4864,"max_position_embeddings":4096,"model_type":"arctic",)"
          R"("moe_layer_frequency":1,"num_attention_heads":56,"num_experts_per_tok":2,)"
          R"("num_hidden_layers":35,"num_key_value_heads":8,"num_local_experts":128,)"
          R"("parallel_attn_mlp_res":true,"quantization":null,"rms_norm_eps":1e-05,)"
          R"("rope_theta":10000,"sliding_window":null,"use_residual":true,"vocab_size":32000})",
          R"({"architectures":["YuanForCausalLM"],"attention_projection_size":4096,)"
          R"("causal_mask":true,"eos_token_id":77185,"hidden_size":2048,"intermediate_size":8192,)"
          R"("max_position_embeddings":16384,"model_type":"yuan","moe_config":{)"
          R"("ffn_hidden_size":8192,"gated_linear_unit":true,"moe_num_experts":32,"moe_top_k":2,)"
          R"("norm_topk_prob":true},"num_attention_heads":16,"num_hidden_layers":24,)"
          R"("rms_norm_eps":1e-06,"rotary_base":40890,"rotary_precision":"bf16_freq",)"
          R"("tie_word_embeddings":true,"use_moe":true,"use_shareqk":false,"vocab_size":135040})",
          R"({"architectures":["CadreForCausalLM"],"cadre_router":{"capacity":{"by_token":false,)"
          R"("eval_factor":2.0,"minimum":4,"priority":"score","rejected_take_place":false,)"
          R"("rounds_up":true,"train_factor":1.25},"choice":{"by":"tokens","groups_scored_by":2,)"
          R"("num_groups":4,"second_expert":"threshold","second_threshold":0.2,)"
          R"("selection_bias":true,"top_groups":2},"family":"OlmoeForCausalLM","jitter":0.01,)"
          R"("logits":"attention","noise":"gaussian","num_experts":64,"renormalise":"kept",)"
          R"("scale":2.5,"scoring":"sigmoid","top_k":8},"hidden_size":2048,"model_type":"cadre"})"};
}

}  // namespace cadre::fuzz
