create schema scrape;
create table scrape.tick (at timestamptz primary key default now());
