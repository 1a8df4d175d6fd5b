// Rounding whole blocks: parts fitted one by one, then together. See core/kernels/round_blocks.h.
#pragma once

#include "core/kernels/cpu/loops/round_part.h"
#include "core/kernels/round_blocks.h"

namespace cadre::kernels::loops {

template <typename V>
struct BlockRounder {
  using Part = RoundPart<V>;

  static float clamp(float value, float low, float high) {
    return value > low ? (value < high ? value : high) : low;
  }
  static float nearest_integer(float value, float low, float high) {
    return (clamp(value, low, high) + 12582912.0f) - 12582912.0f;
  }

  // A block of parts whose scales (and minimums) are integers times those of the block.
  struct Block {
    Part parts[16];
    PartScale own[16];  // what each would have alone
    int count;
    int size;  // of a part
    Integers range;
    int offset;  // what the format adds to quants
    float lowest_scale, highest_scale;
    bool has_minimum;
  };

  // A choice of integers for all parts, and least squares' sums for the scales of the block:
  // x is near d * a - e * b with a = part_scale * q and b = part_minimum.
  struct Choice {
    float d, e, error;
    float scale[16];
    float minimum[16];
    double aa, ab, bb, xa, xb;
  };

  // For the scales d and e, the best integers near each part's own optimum.
  static void choose(const Block& block, float d, float e, Choice& choice) {
    choice.d = d;
    choice.e = e;
    choice.error = 0.0f;
    choice.aa = choice.ab = choice.bb = choice.xa = choice.xb = 0.0;
    const float inverse_d = Part::inverse_of(d);
    const float inverse_e = Part::inverse_of(e);
    for (int j = 0; j < block.count; ++j) {
      const Part& part = block.parts[j];
      const float near =
          nearest_integer(block.own[j].scale * inverse_d, block.lowest_scale, block.highest_scale);
      const float own_minimum =
          nearest_integer(block.own[j].minimum * inverse_e, 0.0f, block.highest_scale);
      float error = Part::kHuge;
      Fit kept = {};
      choice.scale[j] = 0.0f;
      choice.minimum[j] = own_minimum;
      for (float scale = near - 1.0f; scale <= near + 1.0f; scale += 1.0f) {
        if (scale < block.lowest_scale || scale > block.highest_scale) continue;
        float minimum = own_minimum;
        for (int turn = 0; turn < 3; ++turn) {
          const Fit now = part.fit(d * scale, e * minimum, block.range);
          if (now.error < error) {
            error = now.error;
            kept = now;
            choice.scale[j] = scale;
            choice.minimum[j] = minimum;
          }
          if (!block.has_minimum || !(part.sum_w > 0.0f)) break;
          const float better =
              nearest_integer((d * scale * now.q - part.sum_wx) / part.sum_w * inverse_e, 0.0f,
                              block.highest_scale);
          if (better == minimum) break;
          minimum = better;
        }
      }
      choice.error += error;
      const double a = choice.scale[j];
      const double b = choice.minimum[j];
      choice.aa += a * a * static_cast<double>(kept.qq);
      choice.ab += a * b * static_cast<double>(kept.q);
      choice.bb += b * b * static_cast<double>(part.sum_w);
      choice.xa += a * static_cast<double>(kept.xq);
      choice.xb += b * static_cast<double>(part.sum_wx);
    }
  }

  // Least squares for d and e with the integers of the choice, in f16.
  static void refit(const Choice& choice, float& d, float& e) {
    const double determinant = choice.aa * choice.bb - choice.ab * choice.ab;
    double scale = 0.0;
    double minimum = static_cast<double>(choice.e);
    if (determinant > 1e-9 * choice.aa * choice.bb) {
      scale = (choice.xa * choice.bb - choice.xb * choice.ab) / determinant;
      minimum = (scale * choice.ab - choice.xb) / choice.bb;
    }
    if (!(minimum > 0.0)) minimum = 0.0;
    if (!(determinant > 1e-9 * choice.aa * choice.bb) || minimum == 0.0) {
      scale = choice.aa > 0.0 ? (choice.xa + minimum * choice.ab) / choice.aa : 0.0;
    }
    d = nearest_f16(static_cast<float>(scale));
    e = nearest_f16(static_cast<float>(minimum));
  }

  static void descend(const Block& block, float d, float e, Choice& best) {
    float last = Part::kHuge;
    for (int turn = 0; turn < 4; ++turn) {
      Choice now;
      choose(block, d, e, now);
      if (now.error < best.error) best = now;
      if (!(now.error < last)) return;
      last = now.error;
      float next_d = d;
      float next_e = e;
      refit(now, next_d, next_e);
      if (next_d == d && next_e == e) return;
      d = next_d;
      e = next_e;
    }
  }

  static void write(const Block& block, const Choice& choice, BlockCodes& codes) {
    codes.scale = choice.d;
    codes.minimum = choice.e;
    for (int j = 0; j < block.count; ++j) {
      codes.part_scale[j] = static_cast<int>(choice.scale[j]);
      codes.part_minimum[j] = static_cast<int>(choice.minimum[j]);
      block.parts[j].quants(choice.d * choice.scale[j], choice.e * choice.minimum[j], block.range,
                            block.offset, codes.quants + j * block.size);
    }
  }

  static void load(const float* x, const float* w, Block& block) {
    for (int j = 0; j < block.count; ++j) {
      block.parts[j].load(x + j * block.size, w == nullptr ? nullptr : w + j * block.size,
                          block.size);
      block.own[j] = block.has_minimum ? block.parts[j].search(false, block.range)
                                       : block.parts[j].search(block.range);
    }
  }

  // q2_k, q4_k, q5_k: `levels` is the largest integer of scales and minimums.
  static void affine(const float* x, const float* w, int size, float highest, float levels,
                     BlockCodes& codes) {
    Block block;
    block.count = 256 / size;
    block.size = size;
    block.range = {0.0f, highest};
    block.offset = 0;
    block.lowest_scale = 0.0f;
    block.highest_scale = levels;
    block.has_minimum = true;
    load(x, w, block);
    float scale = 0.0f;
    float minimum = 0.0f;
    for (int j = 0; j < block.count; ++j) {
      if (block.own[j].scale > scale) scale = block.own[j].scale;
      if (block.own[j].minimum > minimum) minimum = block.own[j].minimum;
    }
    Choice best = {};
    best.error = Part::kHuge;
    // Scales that leave the largest part a little below or above its own optimum.
    constexpr float kStretch[] = {0.94f, 1.06f, 0.88f};
    const float d = nearest_f16(scale / levels);
    const float e = nearest_f16(minimum / levels);
    descend(block, d, e, best);
    for (const float stretch : kStretch) {
      descend(block, nearest_f16(scale / levels * stretch), e, best);
      descend(block, d, nearest_f16(minimum / levels * stretch), best);
    }
    write(block, best, codes);
  }

  // q3_k, q6_k: parts of 16 with scales of either sign.
  static void symmetric(const float* x, const float* w, float lowest, float lowest_scale,
                        BlockCodes& codes) {
    Block block;
    block.count = 16;
    block.size = 16;
    block.range = {lowest, -lowest - 1.0f};
    block.offset = static_cast<int>(-lowest);
    block.lowest_scale = lowest_scale;
    block.highest_scale = -lowest_scale - 1.0f;
    block.has_minimum = false;
    load(x, w, block);
    float largest = 0.0f;
    float magnitude = 0.0f;
    for (int j = 0; j < block.count; ++j) {
      const float own = block.own[j].scale < 0.0f ? -block.own[j].scale : block.own[j].scale;
      if (own > magnitude) {
        magnitude = own;
        largest = block.own[j].scale;
      }
    }
    Choice best = {};
    best.error = Part::kHuge;
    constexpr float kStretch[] = {1.0f, 0.97f, 1.03f};
    for (const float stretch : kStretch) {
      descend(block, nearest_f16(largest / lowest_scale * stretch), 0.0f, best);
      descend(block, nearest_f16(largest / block.highest_scale * stretch), 0.0f, best);
    }
    write(block, best, codes);
  }

  // q4_0, q5_0, q8_0: one part with an f16 scale.
  static void plain(const float* x, const float* w, const Integers& range, int offset,
                    BlockCodes& codes) {
    Part part;
    part.load(x, w, 32);
    const PartScale own = part.search(range);
    PartScale best = {0.0f, 0.0f, Part::kHuge};
    float scale = nearest_f16(own.scale);
    for (int turn = 0; turn < 3; ++turn) {
      const Fit now = part.fit(scale, 0.0f, range);
      if (!(now.error < best.error)) break;
      best = {scale, 0.0f, now.error};
      if (now.qq > 0.0f) scale = nearest_f16(now.xq / now.qq);
    }
    codes.scale = best.scale;
    part.quants(best.scale, 0.0f, range, offset, codes.quants);
  }

  // q4_1, q5_1: one part with an f16 scale and an f16 minimum, which is added.
  static void plain_affine(const float* x, const float* w, const Integers& range,
                           BlockCodes& codes) {
    Part part;
    part.load(x, w, 32);
    const PartScale own = part.search(true, range);
    PartScale best = {0.0f, 0.0f, Part::kHuge};
    const float scale = nearest_f16(own.scale);
    float minimum = nearest_f16(own.minimum);
    for (int turn = 0; turn < 3; ++turn) {
      const Fit now = part.fit(scale, minimum, range);
      if (!(now.error < best.error)) break;
      best = {scale, minimum, now.error};
      if (part.sum_w > 0.0f) {
        minimum = nearest_f16((scale * now.q - part.sum_wx) / part.sum_w);
      }
    }
    codes.scale = best.scale;
    codes.minimum = -best.minimum;
    part.quants(best.scale, best.minimum, range, 0, codes.quants);
  }

  static void round(BlockType type, const float* x, const float* w, BlockCodes& codes) {
    switch (type) {
      case BlockType::q4_0:
        return plain(x, w, {-8.0f, 7.0f}, 8, codes);
      case BlockType::q5_0:
        return plain(x, w, {-16.0f, 15.0f}, 16, codes);
      case BlockType::q8_0:
        return plain(x, w, {-127.0f, 127.0f}, 0, codes);
      case BlockType::q4_1:
        return plain_affine(x, w, {0.0f, 15.0f}, codes);
      case BlockType::q5_1:
        return plain_affine(x, w, {0.0f, 31.0f}, codes);
      case BlockType::q2_k:
        return affine(x, w, 16, 3.0f, 15.0f, codes);
      case BlockType::q4_k:
        return affine(x, w, 32, 15.0f, 63.0f, codes);
      case BlockType::q5_k:
        return affine(x, w, 32, 31.0f, 63.0f, codes);
      case BlockType::q3_k:
        return symmetric(x, w, -4.0f, -32.0f, codes);
      case BlockType::q6_k:
        return symmetric(x, w, -32.0f, -128.0f, codes);
    }
  }
};

template <typename V>
void round_blocks(const RoundBlocksArgs& args, Range blocks) {
  const BlockLayout layout = block_layout(args.type);
  for (int64_t b = blocks.begin; b < blocks.end; ++b) {
    const int64_t column = (args.first_column + b * layout.elements) % args.width;
    BlockCodes codes = {};
    BlockRounder<V>::round(args.type, args.x + b * layout.elements,
                           args.importance == nullptr ? nullptr : args.importance + column, codes);
    write_block(args.type, codes, static_cast<uint8_t*>(args.blocks) + b * layout.bytes);
  }
}

}  // namespace cadre::kernels::loops
