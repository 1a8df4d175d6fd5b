// The OLMo 2 family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kOlmo2;

}  // namespace cadre::model
