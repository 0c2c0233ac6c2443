#define KRIGON_VECCHIA_NAME vecchia_avx512
#define KRIGON_VECCHIA_LABEL "avx512"
#define KRIGON_VECTOR_BYTES 64
#include "model/vecchia_body.inc"
