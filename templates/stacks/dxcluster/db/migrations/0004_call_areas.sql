-- Where in a large country a call is: the digit of its prefix is its call area. Sources: the countries' own call area
-- plans; the position is about the middle of the people there (degrees, north and east positive).
insert into prefixes (prefix, country, continent, latitude, longitude)
select expand_prefixes(pattern), field[1], field[2], field[3]::real, field[4]::real
from regexp_split_to_table(trim(both E'\n' from $entities$
China|AS|40|116.4|B[ADGHIJLRTYZ]1
China|AS|45|126|B[ADGHIJLRTYZ]2
China|AS|40|114|B[ADGHIJLRTYZ]3
China|AS|33|119|B[ADGHIJLRTYZ]4
China|AS|28|118|B[ADGHIJLRTYZ]5
China|AS|32|114|B[ADGHIJLRTYZ]6
China|AS|25|111.5|B[ADGHIJLRTYZ]7
China|AS|28|104|B[ADGHIJLRTYZ]8
China|AS|36|104|B[ADGHIJLRTYZ]9
China|AS|37|87|B[ADGHIJLRTYZ]0
Italy|EU|37.6|14|IT9 I[A-DFJ-RU-Z]9
Italy|AF|36|12.4|I[GH]9
Japan|AS|35.7|139.7|J[A-CE-S]1 7[J-N]1 8[J-N]1 7[K-N][2-4]
Japan|AS|35.1|137.2|J[A-S]2 7J2 8[J-N]2
Japan|AS|34.7|135.5|J[A-S]3 7J3 8[J-N]3
Japan|AS|34.5|132.8|J[A-S]4 7J4 8[J-N]4
Japan|AS|33.7|133.4|J[A-S]5 7[J-N]5 8[J-N]5
Japan|AS|32.3|130.7|J[A-S]6 7[J-N]6 8[J-N]6
Japan|AS|39|140.7|J[A-S]7 7[J-N]7 8[J-N]7
Japan|AS|43.3|142.7|J[A-S]8 7[J-N]8 8[J-N]8
Japan|AS|36.6|136.8|J[A-S]9 7[J-N]9 8[J-N]9
Japan|AS|37|138.3|J[A-S]0 7[J-N]0 8[J-N]0
United States|NA|42.8|-71.8|[KNW]1 [KNW][A-GI-KM-OQ-Z]1 A[A-GI-K]1
United States|NA|41.5|-74.5|[KNW]2 [KNW][A-GI-KM-OQ-Z]2 A[A-GI-K]2
United States|NA|40|-77|[KNW]3 [KNW][A-GI-KM-OQ-Z]3 A[A-GI-K]3
United States|NA|34.5|-83|[KNW]4 [NW][A-GI-KM-OQ-Z]4 K[A-FI-KM-OQ-Z]4 A[A-GI-K]4
United States|NA|32.5|-95.5|[KNW]5 [KNW][A-GI-KM-OQ-Z]5 A[A-GI-K]5
United States|NA|36.5|-120|[KNW]6 [KNW][A-GI-KM-OQ-Z]6 A[A-GI-K]6
United States|NA|43|-115|[KNW]7 [KNW][A-GI-KM-OQ-Z]7 A[A-GI-K]7
United States|NA|40.5|-82.5|[KNW]8 [KNW][A-GI-KM-OQ-Z]8 A[A-GI-K]8
United States|NA|41.5|-88.5|[KNW]9 [KNW][A-GI-KM-OQ-Z]9 A[A-GI-K]9
United States|NA|41.5|-97|[KNW]0 [KNW][A-GI-KM-OQ-Z]0 A[A-GI-K]0
Brazil|SA|-22.5|-43|P[P-Y]1 Z[V-Z]1
Brazil|SA|-22|-48.5|P[P-Y]2 Z[V-Z]2
Brazil|SA|-30|-53|P[P-Y]3 Z[V-Z]3
Brazil|SA|-18.5|-44.5|P[P-Y]4 Z[V-Z]4
Brazil|SA|-26|-51|P[P-Y]5 Z[V-Z]5
Brazil|SA|-12.5|-41.7|P[P-Y]6 Z[V-Z]6
Brazil|SA|-7.5|-37|P[P-Y]7 Z[V-Z]7
Brazil|SA|-4|-55|P[P-Y]8 Z[V-Z]8
European Russia|EU|60|32|R1 U1 R[A-Z]1 U[A-I]1
European Russia|EU|55.7|37.6|R[235] R[B-Z]2 R[A-Z][35] U3 U[A-I][35]
European Russia|EU|54|49.5|R4 U4 R[A-Z]4 U[A-I]4
European Russia|EU|45.5|41|R[67] U[67] R[A-Z][67] U[A-I][67]
European Russia|EU|56|56|R[89][FGX] U[89][FGX] R[A-Z][89][FGX] U[A-I][89][FGX]
Asiatic Russia|AS|57|115|R0 U0 R[A-Z]0 U[A-I]0
Canada|NA|45|-63.5|V[A-G]1 C[F-K]1 X[J-O]1
Canada|NA|47.5|-72.5|V[A-G]2 C[F-K]2 X[J-O]2
Canada|NA|44.5|-79.5|V[A-G]3 C[F-K]3 X[J-O]3
Canada|NA|50.5|-98|V[A-G]4 C[F-K]4 X[J-O]4
Canada|NA|52|-106|V[A-G]5 C[F-K]5 X[J-O]5
Canada|NA|52.5|-114|V[A-G]6 C[F-K]6 X[J-O]6
Canada|NA|50.5|-122|V[A-G]7 C[F-K]7 X[J-O]7
Canada|NA|62.5|-114.4|V[A-G]8 C[F-K]8 X[J-O]8
Canada|NA|46.5|-66.5|V[A-G]9 C[F-K]9 X[J-O]9
Canada|NA|48.5|-55|VO1
Canada|NA|53|-61|VO2
Canada|NA|63.7|-68.5|VY0
Canada|NA|61|-135.5|VY1
Canada|NA|46.3|-63.2|VY2
Australia|OC|-35.3|149.1|V[H-N]1 AX1
Australia|OC|-33|148.5|V[H-N]2 AX2
Australia|OC|-37|144.5|V[H-N]3 AX3
Australia|OC|-25|150|V[H-N]4 AX4
Australia|OC|-33.5|137.5|V[H-N]5 AX5
Australia|OC|-31|118|V[H-N]6 AX6
Australia|OC|-42.2|146.7|V[H-N]7 AX7
Australia|OC|-16|133|V[H-N]8 AX8
$entities$), E'\n') as line,
     string_to_array(line, '|') as field,
     regexp_split_to_table(field[5], ' ') as pattern;
