// The Snowflake Arctic family.
#pragma once

#include "model/families/family.h"

namespace cadre::model {

extern const Family kArctic;

}  // namespace cadre::model
