-- Which country a callsign belongs to, and where that is: the longest prefix that the call begins with says it.
--
-- Sources, all public facts: the ITU's table of allocation of international call sign series (Radio Regulations,
-- appendix 42) for who has which letters, the list of DXCC entities for what counts as a country and a continent, and
-- the geographic middle of each (degrees, north and east positive). 0004 has the call areas of large countries.
-- Calls that only their whole name tells apart (an expedition to South Georgia with VP8…) stand where their prefix is.
create table prefixes (
  prefix    text collate "C" primary key,
  country   text not null,
  continent text not null check (continent in ('AF', 'AN', 'AS', 'EU', 'NA', 'OC', 'SA')),
  latitude  real not null check (latitude between -90 and 90),
  longitude real not null check (longitude between -180 and 180)
);

-- For this migration and later ones: 'D[A-R]' is DA, DB, … DR; 'U[A-I][34]' is 18 prefixes.
create function expand_prefixes(pattern text) returns setof text
  language plpgsql immutable set search_path = public, pg_temp
as $$
declare
  parts text[] := regexp_match(pattern, '^([^[]*)\[([^]]*)\](.*)$');
begin
  if parts is null then
    return next pattern;
    return;
  end if;
  return query
    select expand_prefixes(parts[1] || chr(code) || parts[3])
    from regexp_matches(parts[2], '(.)(?:-(.))?', 'g') as range,
         generate_series(ascii(range[1]), ascii(coalesce(range[2], range[1]))) as code;
end
$$;

insert into prefixes (prefix, country, continent, latitude, longitude)
select expand_prefixes(pattern), field[1], field[2], field[3]::real, field[4]::real
from regexp_split_to_table(trim(both E'\n' from $entities$
Sovereign Military Order of Malta|EU|41.9|12.5|1A
Spratly Islands|AS|9.9|114.2|1S 9M0 B[MNOPQUVWX]9S
England|EU|52.5|-1.5|G M 2
Isle of Man|EU|54.2|-4.5|[GM][DT] 2[DT]
Northern Ireland|EU|54.6|-6.7|[GM][IN] 2[IN]
Jersey|EU|49.2|-2.1|[GM][JH] 2[JH]
Scotland|EU|56.8|-4.2|[GM][MS] 2[MS]
Guernsey|EU|49.45|-2.6|[GM][UP] 2[UP]
Wales|EU|52.3|-3.7|[GM][WC] 2[WC]
Monaco|EU|43.73|7.42|3A
Agalega and St. Brandon|AF|-10.4|56.6|3B[67]
Mauritius|AF|-20.3|57.6|3B8
Rodrigues|AF|-19.7|63.4|3B9
Equatorial Guinea|AF|1.7|10.4|3C
Annobon|AF|-1.4|5.6|3C0
Fiji|OC|-17.8|178|3D[N-Z] 3D2
Eswatini|AF|-26.5|31.5|3D[A-M]
Tunisia|AF|34.5|9.5|3V TS
Vietnam|AS|16|107.8|3W XV
Guinea|AF|10.7|-11|3X
Bouvet|AF|-54.4|3.4|3Y
Poland|EU|52|19.3|3Z HF S[N-R]
Azerbaijan|AS|40.4|47.7|4[JK]
Georgia|AS|42|43.5|4L
Montenegro|EU|42.7|19.3|4O
Sri Lanka|AS|7.5|80.7|4[P-S]
ITU Headquarters|EU|46.22|6.14|4U[0-9]I
United Nations Headquarters|NA|40.75|-73.97|4U[0-9]U
Timor-Leste|OC|-8.8|126|4W
Israel|AS|31.5|34.8|4[XZ]
Libya|AF|27|17|5A
Cyprus|AS|35|33|5B C4 H2 P3
Tanzania|AF|-6.3|35|5[HI]
Nigeria|AF|9.5|8|5[NO]
Madagascar|AF|-19|46.5|5[RS] 6X
Mauritania|AF|20|-10.5|5T
Niger|AF|17|9|5U
Togo|AF|8.5|1|5V
Samoa|OC|-13.8|-172|5W
Uganda|AF|1.5|32.5|5X
Kenya|AF|0.5|38|5[YZ]
Senegal|AF|14.5|-14.5|6[VW]
Jamaica|NA|18.1|-77.3|6Y
Yemen|AS|15.5|48|7O
Lesotho|AF|-29.5|28.2|7P
Malawi|AF|-13.5|34|7Q
Algeria|AF|28|3|7R 7[T-Y]
Barbados|NA|13.2|-59.55|8P
Maldives|AS|4|73.4|8Q
Guyana|SA|5|-59|8R
Croatia|EU|45.3|16|9A
Ghana|AF|7.9|-1.2|9G
Malta|EU|35.9|14.4|9H
Zambia|AF|-13.5|28|9[IJ]
Kuwait|AS|29.3|47.6|9K
Sierra Leone|AF|8.5|-11.8|9L
West Malaysia|AS|4|102.2|9[MW]
East Malaysia|OC|3|114|9[MW][68]
Nepal|AS|28|84|9N
DR Congo|AF|-3|23.5|9[O-T]
Burundi|AF|-3.3|29.9|9U
Singapore|AS|1.35|103.8|9V S6
Rwanda|AF|-2|30|9X
Trinidad and Tobago|SA|10.4|-61.3|9[YZ]
Botswana|AF|-22|24|A2 8O
Tonga|OC|-21|-175|A3
Oman|AS|21|57|A4
Bhutan|AS|27.4|90.4|A5
United Arab Emirates|AS|24|54|A6
Qatar|AS|25.3|51.2|A7
Liberia|AF|6.5|-9.5|A8 D5 EL 5[LM] 6Z
Bahrain|AS|26|50.5|A9
Pakistan|AS|30|70|A[P-S] 6[P-S]
China|AS|36|102|B 3[H-U] XS
Taiwan|AS|23.7|121|B[M-QU-X]
Pratas Island|AS|20.7|116.7|B[MNOPQUVWX]9P
Scarborough Reef|AS|15.1|117.8|BS7
Nauru|OC|-0.5|166.9|C2
Andorra|EU|42.5|1.55|C3
Gambia|AF|13.4|-16|C5
Bahamas|NA|24.5|-76.5|C6
Mozambique|AF|-18|35.5|C[89]
Chile|SA|-33.5|-71|C[A-E] 3G X[QR]
Easter Island|SA|-27.1|-109.4|C[A-E]0 X[QR]0 3G0
San Felix and San Ambrosio|SA|-26.3|-80.1|C[A-E]0X X[QR]0X 3G0X
Juan Fernandez|SA|-33.6|-78.8|C[A-E]0Z X[QR]0Z 3G0Z
Antarctica|AN|-75|0|CE9 KC4AA KC4US RI1A ZS7 8J1RL DP0GV DP1POL
Cuba|NA|21.5|-79.5|C[LMO] T4
Morocco|AF|32|-6|CN 5[C-G]
Bolivia|SA|-17|-65|CP
Portugal|EU|39.5|-8|C[Q-T]
Madeira|AF|32.75|-17|C[Q-T][39]
Azores|EU|38.7|-27.2|CU C[Q-T]8
Uruguay|SA|-33|-56|C[V-X]
Sable Island|NA|43.9|-59.9|CY0
St. Paul Island|NA|47.2|-60.1|CY9
Angola|AF|-12.5|18.5|D[23]
Cabo Verde|AF|15.5|-23.8|D4
Comoros|AF|-11.9|43.4|D6
Germany|EU|51|10|D[A-R] Y[2-9]
Philippines|OC|13|122|D[U-Z] 4[D-I]
Thailand|AS|15|101|E2 HS
Eritrea|AF|15.5|38.5|E3
Palestine|AS|31.9|35.2|E4
South Cook Islands|OC|-21.2|-159.8|E5
Niue|OC|-19|-169.9|E6
Bosnia-Herzegovina|EU|44.2|17.8|E7
Spain|EU|40|-4|E[A-H] A[M-O]
Balearic Islands|EU|39.6|3|E[A-H]6 A[M-O]6
Canary Islands|AF|28.3|-16|E[A-H]8 A[M-O]8
Ceuta and Melilla|AF|35.6|-4|E[A-H]9 A[M-O]9
Ireland|EU|53.3|-8|E[IJ]
Armenia|AS|40.3|45|EK
Iran|AS|32.5|53.5|E[PQ] 9[B-D]
Moldova|EU|47|28.8|ER
Estonia|EU|58.7|25.5|ES
Ethiopia|AF|9|39.5|ET 9[EF]
Belarus|EU|53.5|28|E[U-W]
Kyrgyzstan|AS|41.5|74.7|EX
Tajikistan|AS|38.7|71|EY
Turkmenistan|AS|39|59.5|EZ
France|EU|46.5|2.5|F H[W-Y] T[HMPQV]
Corsica|EU|42.1|9.1|TK
Guadeloupe|NA|16.2|-61.5|FG
Mayotte|AF|-12.8|45.2|FH
St. Barthelemy|NA|17.9|-62.8|FJ
New Caledonia|OC|-21.5|165.5|FK
Martinique|NA|14.65|-61|FM
French Polynesia|OC|-17.65|-149.5|FO
St. Pierre and Miquelon|NA|46.9|-56.3|FP
Reunion|AF|-21.1|55.5|FR
St. Martin|NA|18.08|-63.05|FS
Kerguelen|AF|-49.3|69.3|FT FT[0-9]X
Crozet|AF|-46.4|51.8|FT[0-9]W
Amsterdam and St. Paul Islands|AF|-37.8|77.5|FT[0-9]Z
Glorioso Islands|AF|-11.55|47.3|FT[0-9]G
Juan de Nova and Europa|AF|-17|42.7|FT[0-9][JE]
Tromelin|AF|-15.9|54.5|FT[0-9]T
Wallis and Futuna|OC|-13.3|-176.2|FW TW
French Guiana|SA|4|-53|FY
Solomon Islands|OC|-9.5|160|H4
Temotu|OC|-10.7|165.8|H40
Hungary|EU|47.2|19.5|H[AG]
Switzerland|EU|46.9|8.2|H[BE]
Liechtenstein|EU|47.15|9.55|H[BE]0
Ecuador|SA|-1.4|-78.5|H[CD]
Galapagos|SA|-0.6|-90.6|H[CD]8
Haiti|NA|19|-72.5|HH 4V
Dominican Republic|NA|18.8|-70.2|HI
Colombia|SA|4.5|-74|H[JK] 5[JK]
San Andres and Providencia|NA|12.55|-81.7|H[JK]0 5[JK]0
Malpelo|SA|4|-81.6|H[JK]0M
South Korea|AS|36.3|127.9|HL 6[K-N] D[7-9] D[ST]
North Korea|AS|40|127|HM P[5-9]
Panama|NA|8.5|-80|H[OP] 3[EF] H[389]
Honduras|NA|15|-87|H[QR]
Vatican City|EU|41.9|12.45|HV
Saudi Arabia|AS|24.5|45|HZ 7Z 8Z
Italy|EU|42.8|12.6|I
Sardinia|EU|40.1|9.1|IS I[A-Z]0[M] I[MW]0
Djibouti|AF|11.7|42.5|J2
Grenada|NA|12.1|-61.7|J3
Guinea-Bissau|AF|12|-15|J5
St. Lucia|NA|13.9|-61|J6
Dominica|NA|15.4|-61.3|J7
St. Vincent|NA|13.2|-61.2|J8
Japan|AS|36|138.3|J[A-S] 7[J-N] 8[J-N]
Ogasawara|AS|27.1|142.2|JD1
Mongolia|AS|47|104|J[T-V]
Svalbard|EU|78.5|16|JW
Jan Mayen|EU|71|-8.3|JX
Jordan|AS|31.3|36.5|JY
United States|NA|38.5|-97|[KNW] A[A-K]
Guantanamo Bay|NA|19.9|-75.2|KG4
Mariana Islands|OC|15.2|145.75|[AKNW]H0
Baker and Howland Islands|OC|0.2|-176.5|[AKNW]H1
Guam|OC|13.45|144.8|[AKNW]H2
Johnston Island|OC|16.7|-169.5|[AKNW]H3
Midway|OC|28.2|-177.4|[AKNW]H4
Palmyra and Jarvis Islands|OC|5.9|-162.1|[AKNW]H5
Hawaii|OC|20.8|-157|[AKNW]H[67]
Kure|OC|28.4|-178.3|[AKNW]H7K
American Samoa|OC|-14.3|-170.7|[AKNW]H8
Wake Island|OC|19.3|166.6|[AKNW]H9
Alaska|NA|63|-150|[AKNW]L
Navassa|NA|18.4|-75|[KNW]P1
US Virgin Islands|NA|17.9|-64.8|[KNW]P2
Puerto Rico|NA|18.2|-66.5|[KNW]P[34]
Desecheo|NA|18.4|-67.5|[KNW]P5
Norway|EU|61|9|L[A-N]
Argentina|SA|-34|-64.5|L[O-W] A[YZ] L[1-9]
Luxembourg|EU|49.8|6.1|LX
Lithuania|EU|55.3|23.8|LY
Bulgaria|EU|42.7|25.3|LZ
Peru|SA|-10|-76|O[A-C] 4T
Lebanon|AS|33.9|35.9|OD
Austria|EU|47.5|14|OE 4U[0-9]V
Finland|EU|63|26.5|O[F-J]
Aland Islands|EU|60.2|20|O[F-I]0
Market Reef|EU|60.3|19.1|OJ0
Czech Republic|EU|49.9|15.5|O[KL]
Slovakia|EU|48.7|19.5|OM
Belgium|EU|50.7|4.5|O[N-T]
Denmark|EU|56|10|O[UVZ] 5[PQ]
Greenland|NA|65|-45|OX XP
Faroe Islands|EU|62.1|-7|O[WY]
Papua New Guinea|OC|-6.5|146|P2
Aruba|SA|12.5|-70|P4
Netherlands|EU|52.2|5.5|P[A-I]
Curacao|SA|12.2|-69|PJ
Bonaire|SA|12.2|-68.3|PJ4
Saba and St. Eustatius|NA|17.55|-63.1|PJ[56]
Sint Maarten|NA|18.04|-63.07|PJ[078]
Indonesia|OC|-5|112|P[K-O] 7[A-I] 8[A-I] Y[B-H]
Brazil|SA|-10|-53|P[P-Y] Z[V-Z]
Fernando de Noronha|SA|-3.85|-32.4|P[P-Y]0F Z[V-Z]0F P[P-Y]0ZF Z[V-Z]0ZF
St. Peter and St. Paul Rocks|SA|0.9|-29.35|P[P-Y]0S Z[V-Z]0S P[P-Y]0ZS Z[V-Z]0ZS
Trindade and Martim Vaz|SA|-20.5|-29.3|P[P-Y]0[TM] Z[V-Z]0[TM] P[P-Y]0ZT Z[V-Z]0ZT
Suriname|SA|4|-56|PZ
Western Sahara|AF|24.5|-13.7|S0
Bangladesh|AS|24|90|S[23]
Slovenia|EU|46|14.8|S5
Seychelles|AF|-4.65|55.5|S7
Sao Tome and Principe|AF|0.3|6.7|S9
Sweden|EU|61|15.5|S[A-M] 7S 8S
Sudan|AF|15|30|ST 6[TU] SS[N-Z]
Egypt|AF|26.5|30|SU 6[AB] SS[A-M]
Greece|EU|39|22.5|S[V-Z] J4
Dodecanese|EU|36.2|27.9|S[V-Z]5 J45
Crete|EU|35.2|24.9|S[V-Z]9 J49
Mount Athos|EU|40.2|24.3|SY2A
Tuvalu|OC|-8|178.5|T2
West Kiribati|OC|1.4|173|T30
Central Kiribati|OC|-3|-172|T31
East Kiribati|OC|1.9|-157.4|T32
Banaba|OC|-0.86|169.5|T33
Somalia|AF|3|45|T5 6O
Afghanistan|AS|33.9|66|T6 YA
San Marino|EU|43.94|12.45|T7
Palau|OC|7.4|134.5|T8
Turkey|AS|39|35|T[A-C] YM
Guatemala|NA|15.5|-90.3|T[DG]
Costa Rica|NA|10|-84|T[EI]
Cocos Island|NA|5.5|-87.05|T[EI]9
Iceland|EU|64.9|-18.7|TF
Cameroon|AF|5.5|12.5|TJ
Central African Republic|AF|6.8|20.5|TL
Congo|AF|-1|15.4|TN
Gabon|AF|-0.6|11.7|TR
Chad|AF|15.5|18.7|TT
Ivory Coast|AF|7.6|-5.6|TU
Benin|AF|9.5|2.3|TY
Mali|AF|17.5|-2|TZ
European Russia|EU|55.5|40|R U U[A-I]
Kaliningrad|EU|54.7|20.5|U[A-I]2 U2[FK] RA2 R2[FK] R[B-Z]2[FK]
Franz Josef Land|EU|80.7|54|R1FJ RI1F
Asiatic Russia|AS|57|68|R[89] U[89] R[A-Z][89] U[A-I][89]
Uzbekistan|AS|41.5|64|U[J-M]
Kazakhstan|AS|48|67|U[N-Q]
Ukraine|EU|49|31|U[R-Z] U5 E[M-O]
Antigua and Barbuda|NA|17.1|-61.8|V2
Belize|NA|17.2|-88.7|V3
St. Kitts and Nevis|NA|17.3|-62.7|V4
Namibia|AF|-22|17|V5
Micronesia|OC|6.9|158.2|V6
Marshall Islands|OC|9|168|V7
Brunei|OC|4.5|114.6|V8
Canada|NA|50|-95|V[A-GOXY] C[F-KYZ] X[J-O]
Australia|OC|-26|134|V[H-NZ] AX
Cocos (Keeling) Islands|OC|-12.15|96.8|V[H-NZ]9C AX9C
Lord Howe Island|OC|-31.55|159.08|V[H-NZ]9L AX9L
Mellish Reef|OC|-17.4|155.9|V[H-NZ]9M AX9M
Norfolk Island|OC|-29.05|167.95|V[H-NZ]9N AX9N
Willis Island|OC|-16.3|150|V[H-NZ]9W AX9W
Christmas Island|OC|-10.5|105.6|V[H-NZ]9X AX9X
Macquarie Island|OC|-54.6|158.9|VK0M
Anguilla|NA|18.2|-63.05|VP2E
Montserrat|NA|16.75|-62.2|VP2M
British Virgin Islands|NA|18.45|-64.6|VP2V
Turks and Caicos Islands|NA|21.8|-71.8|V[PQ]5
Pitcairn|OC|-25.07|-130.1|VP6
Falkland Islands|SA|-51.7|-59|VP8
Bermuda|NA|32.3|-64.75|VP9
Chagos|AF|-7.3|72.4|VQ9
Hong Kong|AS|22.3|114.2|VR
India|AS|22|79|A[T-W] V[T-W] 8[T-Y]
Andaman and Nicobar|AS|11.7|92.8|VU4
Lakshadweep|AS|10.6|72.6|VU7
Mexico|NA|21.5|-101|X[A-I] 4[A-C] 6[D-J]
Revillagigedo|NA|18.8|-111|X[A-I]4 4[A-C]4 6[D-J]4
Burkina Faso|AF|12.3|-1.7|XT
Cambodia|AS|12.7|105|XU
Laos|AS|18.5|104|XW
Macao|AS|22.2|113.55|XX9
Myanmar|AS|21|96|X[YZ]
Iraq|AS|33|43.7|YI HN
Vanuatu|OC|-16.5|168|YJ
Syria|AS|35|38.5|YK 6C
Latvia|EU|57|25|YL
Nicaragua|NA|12.9|-85.2|YN H[67] HT
Romania|EU|46|25|Y[O-R]
El Salvador|NA|13.8|-89|YS HU
Serbia|EU|44|21|Y[TUZ] 4N
Venezuela|SA|8|-66|Y[V-Y] 4M
Aves Island|NA|15.7|-63.6|Y[V-Y]0 4M0
Zimbabwe|AF|-19|30|Z2
North Macedonia|EU|41.6|21.7|Z3
Kosovo|EU|42.6|20.9|Z6
South Sudan|AF|7|30|Z8
Albania|EU|41|20|ZA
Gibraltar|EU|36.14|-5.35|Z[BG]
UK Bases on Cyprus|AS|34.7|33|ZC4
St. Helena|AF|-15.95|-5.7|ZD7
Ascension|AF|-7.95|-14.4|ZD8
Tristan da Cunha and Gough|AF|-37.1|-12.3|ZD9
Cayman Islands|NA|19.3|-81.2|ZF
Tokelau|OC|-9.2|-171.8|ZK3
New Zealand|OC|-41.5|173|Z[K-M]
Chatham Islands|OC|-43.95|-176.5|Z[LM]7
Kermadec|OC|-29.3|-177.9|Z[LM]8
Auckland and Campbell Islands|OC|-50.7|166.1|Z[LM]9
Paraguay|SA|-23.5|-58|ZP
South Africa|AF|-29|25|Z[R-U] S8
Marion Island|AF|-46.9|37.75|Z[R-U]8
$entities$), E'\n') as line,
     string_to_array(line, '|') as field,
     regexp_split_to_table(field[5], ' ') as pattern;
