import { describeDxCluster } from "./dxcluster-suite.ts";

describeDxCluster("debian-13");
