#include "core/io/checksum.h"

#include <fmt/core.h>
#include <xxhash.h>

#include <charconv>
#include <new>

namespace cadre::io {

struct Checksum::State {
  XXH3_state_t* hash = XXH3_createState();
  State() {
    if (hash == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(hash);
  }
  ~State() { XXH3_freeState(hash); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

void Checksum::update(const void* data, size_t size) {
  if (size > 0) XXH3_64bits_update(state_->hash, data, size);
}

uint64_t Checksum::value() const { return XXH3_64bits_digest(state_->hash); }

uint64_t checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

uint64_t checksum(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

std::string to_hex(uint64_t value) { return fmt::format("{:016x}", value); }

bool from_hex(std::string_view text, uint64_t& value) {
  if (text.size() != 16) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace cadre::io
