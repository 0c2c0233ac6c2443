#define KRIGON_TILES_NAME baseline_tiles
#define KRIGON_TILES_LABEL "baseline"
#define KRIGON_VECTOR_BYTES 16
#define KRIGON_PANEL_COLUMNS 5
#define KRIGON_SPREAD_VECTORS 5
#define KRIGON_SPREAD_SUMS 10
#define KRIGON_LANE_ROWS 2
#include "backend/tiles_body.inc"
