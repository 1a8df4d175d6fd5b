// TensorBoard event files: scalars over steps.
//
// A file is a sequence of records, each  length (u64)  crc(length) (u32)  event  crc(event) (u32),
// little-endian, where an event is a protocol buffer of a few fields (tensorflow/core/util/
// event.proto) and crc is CRC-32C, rotated and offset so that checksums of checksums stay good.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cadre::train {

// The Castagnoli CRC of the bytes (RFC 3720), and the form in which TensorFlow stores it.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

// One record with the scalars of a step; wall_time in seconds since 1970.
std::string event_record(double wall_time, int64_t step,
                         const std::vector<std::pair<std::string, double>>& scalars);
// The record that every file begins with.
std::string version_record(double wall_time);

}  // namespace cadre::train
