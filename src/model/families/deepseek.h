// The DeepSeekMoE family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kDeepseek;

}  // namespace cadre::model
