// Exit codes of the program, and errors turned into them.
#pragma once

#include "pipeline/failure.h"
