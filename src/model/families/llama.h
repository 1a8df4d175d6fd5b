// The llama family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kLlama;

}  // namespace cadre::model
