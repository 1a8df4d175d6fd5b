// The Qwen2-MoE family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kQwen2Moe;

}  // namespace cadre::model
