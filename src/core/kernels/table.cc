#include "core/kernels/table.h"

#include <fmt/format.h>

#include <string>

#include "core/base/error.h"
#include "core/kernels/cpu/tables.h"

namespace cadre::kernels {

std::vector<const KernelTable*> supported_tables(const CpuFeatures& features) {
  std::vector<const KernelTable*> tables = {&scalar_table()};
  if (features.avx2) tables.push_back(&avx2::table());
  if (features.avx512) tables.push_back(&avx512::table());
  if (features.avx512_vnni) tables.push_back(&avx512::table_vnni());
  if (features.avx512_bf16) tables.push_back(&avx512::table_bf16());
  if (features.amx) tables.push_back(&amx::table());
  return tables;
}

const KernelTable& choose_table(const CpuFeatures& features, std::string_view name) {
  const std::vector<const KernelTable*> tables = supported_tables(features);
  if (name == "auto") return *tables.back();
  std::string names = "auto";
  for (const KernelTable* table : tables) {
    if (table->name == name) return *table;
    names += fmt::format(", {}", table->name);
  }
  fail(ErrorKind::invalid_input,
       "kernels: found \"{}\", expected one of those this processor can "
       "run: {}",
       name, names);
}

}  // namespace cadre::kernels
