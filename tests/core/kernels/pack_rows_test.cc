#include "core/kernels/pack_rows.h"

#include <doctest/doctest.h>

#include "core/base/random.h"
#include "core/kernels/table.h"
#include "core/tensor/packed_matrix.h"
#include "guarded.h"

namespace cadre::kernels {
namespace {

using testing::GuardedBuffer;

// What the tile must be is tested where products of it are (quantised_gemm and weight tests).
TEST_CASE("pack_rows: every table makes the tile of the scalar one") {
  RandomStream random(5);
  for (const PackedFormat format : {PackedFormat::q8_0, PackedFormat::q4_0, PackedFormat::q4_k,
                                    PackedFormat::q5_k, PackedFormat::q6_k}) {
    CAPTURE(static_cast<int>(format));
    const BlockLayout layout = block_layout(block_type(format));
    for (const int64_t blocks : {1, 2, 5}) {
      for (const int64_t rows : {1, 7, 15, 16}) {
        CAPTURE(blocks);
        CAPTURE(rows);
        const int64_t row_bytes = blocks * layout.bytes;
        // The last row ends at a page that may not be touched, and begins at any address.
        const GuardedBuffer from(DType::u8, rows * row_bytes);
        for (int64_t i = 0; i < from.count(); ++i) {
          static_cast<uint8_t*>(from.data())[i] = static_cast<uint8_t>(random.below(256));
        }
        const int64_t k = blocks * layout.elements;
        const auto pack = [&](const KernelTable& table) {
          GuardedBuffer tile(DType::u8, packed_tile_bytes(format, k));
          table.pack_rows({.blocks = static_cast<const std::byte*>(from.data()),
                           .row_bytes = row_bytes,
                           .format = format,
                           .rows = rows,
                           .k = k,
                           .tile = static_cast<std::byte*>(tile.data())});
          CHECK(tile.intact());
          return tile;
        };
        const GuardedBuffer expected = pack(scalar_table());
        for (const KernelTable* table : testing::fast_tables()) {
          CAPTURE(table->name);
          CHECK(same_bytes(pack(*table), expected));
        }
      }
    }
  }
}

}  // namespace
}  // namespace cadre::kernels
