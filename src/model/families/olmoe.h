// The OLMoE family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kOlmoe;

}  // namespace cadre::model
