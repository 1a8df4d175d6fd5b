// The OLMo family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kOlmo;

}  // namespace cadre::model
