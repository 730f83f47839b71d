#include "CTenfoldBLAS.h"
