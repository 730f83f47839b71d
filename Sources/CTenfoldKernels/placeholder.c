#include "CTenfoldKernels.h"
