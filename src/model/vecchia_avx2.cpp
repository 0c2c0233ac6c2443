#define KRIGON_VECCHIA_NAME vecchia_avx2
#define KRIGON_VECCHIA_LABEL "avx2"
#define KRIGON_VECTOR_BYTES 32
#include "model/vecchia_body.inc"
