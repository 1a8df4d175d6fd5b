#include "core/kernels/quantised_gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "guarded.h"
#include "kernel_test.h"

namespace cadre::kernels {
namespace {

using testing::GuardedBuffer;

constexpr PackedFormat kFormats[] = {PackedFormat::q8_0, PackedFormat::q4_0, PackedFormat::q4_k,
                                     PackedFormat::q5_k, PackedFormat::q6_k};

// 8-bit activations, each array ending at a guard page.
struct Activations {
  GuardedBuffer quants, scales, sums, minimums;

  Activations(int64_t m, int64_t k)
      : quants(DType::i8, m * k),
        scales(DType::f32, m * k / 32),
        sums(DType::i32, m * k / 16),
        minimums(DType::f32, m * k / 32) {}

  QuantiseRowsArgs target(const GuardedBuffer& x, int64_t k) const {
    return {.x = x.data(),
            .type = x.type(),
            .k = k,
            .quants = static_cast<int8_t*>(quants.data()),
            .scales = scales.f32(),
            .sums = sums.i32(),
            .x_minimums = minimums.f32()};
  }
  QuantisedRows view() const {
    return {static_cast<const int8_t*>(quants.data()), scales.f32(), sums.i32(), minimums.f32()};
  }
  bool same(const Activations& other) const {
    return same_bytes(quants, other.quants) && same_bytes(scales, other.scales) &&
           same_bytes(sums, other.sums) && same_bytes(minimums, other.minimums);
  }
};

// Tiles of random quants and scales: every bit pattern but halves that are not finite.
GuardedBuffer random_tiles(PackedFormat format, int64_t n, int64_t k, RandomStream& random) {
  const int64_t bytes = packed_tiles(n) * packed_tile_bytes(format, k);
  GuardedBuffer tiles(DType::u8, bytes);
  auto* p = static_cast<uint8_t*>(tiles.data());
  for (int64_t i = 0; i < bytes; ++i) p[i] = static_cast<uint8_t>(random.below(256));
  const int64_t halves = packed_has_minimum(format) ? 32 : 16;
  for (int64_t block = 0; block < bytes; block += packed_block_bytes(format)) {
    for (int64_t i = 0; i < halves; ++i) {
      const f16 h = to_f16(static_cast<float>(random.normal()) * 0.01f);
      std::memcpy(p + block + 2 * i, &h, sizeof(h));
    }
  }
  return tiles;
}

void multiply(const KernelTable& table, PackedFormat format, const Activations& x, int64_t m,
              int64_t k, const GuardedBuffer& tiles, int64_t n, float* y, int64_t y_stride,
              int64_t tile_tokens = 11) {
  const int64_t bytes = (quantised_gemm_scratch(k) + 63) / 64 * 64;
  const GuardedBuffer scratch(DType::i8, bytes);
  table.quantised_gemm({.x = x.view(),
                        .m = m,
                        .k = k,
                        .format = format,
                        .tiles = static_cast<const std::byte*>(tiles.data()),
                        .n = n,
                        .y = y,
                        .y_stride = y_stride,
                        .scratch = static_cast<std::byte*>(scratch.data()),
                        .tile_tokens = tile_tokens});
  CHECK(scratch.intact());
}

void compare(PackedFormat format, int64_t m, int64_t k, int64_t n, RandomStream& random) {
  CAPTURE(static_cast<int>(format));
  CAPTURE(m);
  CAPTURE(k);
  CAPTURE(n);
  GuardedBuffer values(DType::f32, m * k);
  values.randomise(random.next());
  Activations x(m, k);
  scalar_table().quantise_rows(x.target(values, k), {0, m});
  const GuardedBuffer tiles = random_tiles(format, n, k, random);
  const GuardedMatrix none(DType::f32, m, n, n + 3);
  GuardedMatrix expected = none;
  multiply(scalar_table(), format, x, m, k, tiles, n, static_cast<float*>(expected.data()), n + 3);
  for (const KernelTable* table : testing::fast_tables()) {
    CAPTURE(table->name);
    // Wherever tiles take over from vectors.
    for (const int64_t tile_tokens : {1, 6, 11, 16}) {
      CAPTURE(tile_tokens);
      GuardedMatrix got = none;
      multiply(*table, format, x, m, k, tiles, n, static_cast<float*>(got.data()), n + 3,
               tile_tokens);
      CHECK(got.same_bits(expected));
      CHECK(got.guards_intact());
    }
  }
}

TEST_CASE("quantised_gemm: every table gives the bits of the scalar one") {
  RandomStream random(1);
  for (const PackedFormat format : kFormats) {
    for (const int64_t m : {0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 26, 47}) {
      const int64_t block = packed_block_size(format);
      const int64_t k = block * (1 + static_cast<int64_t>(random.below(block == 32 ? 9 : 2)));
      compare(format, m, k, 1 + static_cast<int64_t>(random.below(50)), random);
    }
  }
}

// Tables may take columns and tokens in pieces, as large as fit a level of the cache: 512 columns
// and 512 KiB of tokens in the one with tiles.
TEST_CASE("quantised_gemm: columns and tokens in several pieces give the same bits") {
  RandomStream random(2);
  for (const PackedFormat format : kFormats) {
    for (const int64_t k : {512, 544, 1056, 1280}) {
      if (k % packed_block_size(format) == 0) compare(format, 33, k, 19, random);
    }
    compare(format, 47, 16384, 17, random);  // 32 tokens, then 15
    compare(format, 35, 16384, 1, random);   // 32, then 3
    compare(format, 70, 65536, 1, random);   // without tiles 64, then 6
  }
}

TEST_CASE("quantised_gemm: the largest quants do not overflow") {
  for (const PackedFormat format : kFormats) {
    const int64_t k = 256;
    GuardedBuffer values(DType::f32, 17 * k);
    values.fill(-1.0f);
    Activations x(17, k);
    scalar_table().quantise_rows(x.target(values, k), {0, 17});
    for (const uint8_t pattern : {0xff, 0x80, 0x7f, 0x00}) {
      GuardedBuffer tiles(DType::u8, packed_tile_bytes(format, k));
      auto* p = static_cast<uint8_t*>(tiles.data());
      std::memset(p, pattern, static_cast<size_t>(tiles.count()));
      for (int64_t b = 0; b < tiles.count(); b += packed_block_bytes(format)) {
        std::memset(p + b, 0x3c, 32);  // every half is 1.06
      }
      GuardedBuffer expected(DType::f32, 17 * 16), got(DType::f32, 17 * 16);
      multiply(scalar_table(), format, x, 17, k, tiles, 16, expected.f32(), 16);
      for (const KernelTable* table : testing::fast_tables()) {
        CAPTURE(table->name);
        CAPTURE(static_cast<int>(format));
        multiply(*table, format, x, 17, k, tiles, 16, got.f32(), 16);
        CHECK(same_bytes(got, expected));
      }
    }
  }
}

TEST_CASE("quantise_rows: every table gives the bits of the scalar one") {
  for (const DType type : {DType::f32, DType::bf16}) {
    for (const int64_t k : {32, 64, 320}) {
      GuardedBuffer values(type, 5 * k);
      values.randomise(static_cast<uint64_t>(k));
      for (int64_t i = 0; i < 32; ++i) values.set(i, 0.0f);
      values.set(k + 3, std::numeric_limits<float>::infinity());
      values.set(2 * k + 31, std::numeric_limits<float>::quiet_NaN());
      for (int64_t i = 0; i < 32; ++i) values.set(3 * k + i, 1e-39f * static_cast<float>(i));
      // Halfway between two quants: ties go to the even one.
      for (int64_t i = 0; i < 32; ++i) values.set(4 * k + i, static_cast<float>(i) + 0.5f);
      values.set(4 * k, 127.0f);
      Activations expected(5, k);
      scalar_table().quantise_rows(expected.target(values, k), {0, 5});
      CHECK(std::isnan(expected.scales.get(k / 32)));
      CHECK(std::isnan(expected.scales.get(2 * (k / 32))));
      CHECK(expected.scales.get(0) == 0.0f);
      for (const KernelTable* table : testing::fast_tables()) {
        CAPTURE(table->name);
        Activations got(5, k);
        table->quantise_rows(got.target(values, k), {0, 2});
        table->quantise_rows(got.target(values, k), {2, 5});
        CHECK(got.same(expected));
        CHECK(got.quants.intact());
      }
    }
  }
}

TEST_CASE("dequantise_rows: every table gives the bits of the scalar one, its definition") {
  const int64_t k = 96;
  GuardedBuffer values(DType::f32, 4 * k);
  values.randomise(5, 3.0);
  values.set(k + 3, std::numeric_limits<float>::infinity());
  Activations x(4, k);
  scalar_table().quantise_rows(x.target(values, k), {0, 4});
  const auto* quants = static_cast<const int8_t*>(x.quants.data());
  for (const DType type : {DType::f32, DType::bf16}) {
    GuardedBuffer expected(type, 4 * k);
    scalar_table().dequantise_rows({quants, x.scales.f32(), k, expected.data(), type}, {0, 4});
    for (int64_t i = 0; i < k && type == DType::f32; ++i) {
      CHECK(expected.get(i) == x.scales.get(i / 32) * static_cast<float>(quants[i]));
    }
    CHECK(std::isnan(expected.get(k + 4)));
    for (const KernelTable* table : testing::fast_tables()) {
      CAPTURE(table->name);
      GuardedBuffer got(type, 4 * k);
      table->dequantise_rows({quants, x.scales.f32(), k, got.data(), type}, {0, 1});
      table->dequantise_rows({quants, x.scales.f32(), k, got.data(), type}, {1, 4});
      // Of a NaN any bits will do.
      for (int64_t i = 0; i < 4 * k; ++i) {
        const bool same =
            std::isnan(expected.get(i)) ? std::isnan(got.get(i)) : got.get(i) == expected.get(i);
        CHECK(same);
      }
      CHECK(got.intact());
    }
  }
}

TEST_CASE("quantise: every table gives the bits of the scalar one") {
  const int64_t blocks = 64;
  GuardedBuffer values(DType::f32, 32 * blocks);
  values.randomise(9, 2.0);
  float* x = values.f32();
  std::fill_n(x, 32, 0.0f);
  x[32 + 5] = std::numeric_limits<float>::quiet_NaN();
  x[64 + 9] = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < 32; ++i) x[96 + i] = 1e-41f * static_cast<float>(i);
  // Halves: away from zero in q8_0, upwards in q4_0. Two of the largest magnitude: the first
  // counts.
  for (int64_t i = 0; i < 32; ++i) x[128 + i] = static_cast<float>(i) - 15.5f;
  x[128] = -127.0f;
  x[128 + 31] = 127.0f;
  for (int64_t i = 0; i < 32; ++i) x[160 + i] = 0.49999997f * static_cast<float>(i % 3 - 1);
  x[160] = 127.0f;
  for (const BlockType type : {BlockType::q8_0, BlockType::q4_0}) {
    const int64_t bytes = block_layout(type).bytes;
    GuardedBuffer expected(DType::u8, blocks * bytes);
    scalar_table().quantise({x, expected.data(), type}, {0, blocks});
    for (const KernelTable* table : testing::fast_tables()) {
      CAPTURE(table->name);
      GuardedBuffer got(DType::u8, blocks * bytes);
      table->quantise({x, got.data(), type}, {0, 3});
      table->quantise({x, got.data(), type}, {3, blocks});
      CHECK(same_bytes(got, expected));
    }
  }
}

TEST_CASE("quantise_rows: quants times scale are within half a step") {
  const int64_t k = 64;
  GuardedBuffer values(DType::f32, 3 * k);
  values.randomise(9, 4.0);
  Activations x(3, k);
  scalar_table().quantise_rows(x.target(values, k), {0, 3});
  for (int64_t i = 0; i < 3 * k; ++i) {
    const float scale = x.scales.get(i / 32);
    const float q = static_cast<const int8_t*>(x.quants.data())[i];
    CHECK(std::fabs(values.get(i) - scale * q) <= 0.5001f * scale);
  }
}

}  // namespace
}  // namespace cadre::kernels
