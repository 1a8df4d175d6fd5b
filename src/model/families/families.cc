#include <array>
#include <string>

#include "core/base/error.h"
#include "core/io/json.h"
#include "model/families/arctic.h"
#include "model/families/deepseek.h"
#include "model/families/family.h"
#include "model/families/llama.h"
#include "model/families/mistral.h"
#include "model/families/mixtral.h"
#include "model/families/olmo.h"
#include "model/families/olmo2.h"
#include "model/families/olmoe.h"
#include "model/families/qwen2_moe.h"
#include "model/families/yuan.h"

namespace cadre::model {
namespace {

constexpr std::array kFamilies = {&kArctic, &kDeepseek, &kLlama, &kMistral,  &kMixtral,
                                  &kOlmo,   &kOlmo2,    &kOlmoe, &kQwen2Moe, &kYuan};

std::string known_architectures() {
  std::string names;
  for (const Family* family : kFamilies) {
    names += names.empty() ? "" : ", ";
    names += family->architecture;
  }
  return names;
}

}  // namespace

std::span<const Family* const> families() { return kFamilies; }

const Family& find_family(std::string_view name) {
  for (const Family* family : kFamilies) {
    if (family->architecture == name || family->model_type == name) return *family;
  }
  fail(ErrorKind::unsupported, "the architecture {} is not supported; known: {}", name,
       known_architectures());
}

const Family& find_family(const io::JsonView& config) {
  std::string found;
  if (!config.is_null("architectures")) {
    const std::vector<std::string> names = config.string_list("architectures");
    if (!names.empty()) found = names.front();
  }
  for (const Family* family : kFamilies) {
    if (found == family->architecture) return *family;
    if (found.empty() && config.string_or("model_type", "") == family->model_type) return *family;
  }
  if (found.empty()) found = config.string_or("model_type", "(none)");
  fail(ErrorKind::unsupported, "{}: the architecture {} is not supported; known: {}",
       config.where(), found, known_architectures());
}

}  // namespace cadre::model
