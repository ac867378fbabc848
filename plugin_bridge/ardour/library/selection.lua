-- What is selected in the editor, kept over something that changes it: Ardour selects new tracks.

local selection = {}

local STEPS = 2 -- times round all tracks, at most

-- Step through the tracks until one is selected, with its group if that shares its selection.
local function step_to (route)
	for _ = 1, STEPS * Session:get_routes ():size () do
		if route:is_selected () then return end
		Editor:access_action ("Editor", "select-next-route")
	end
end

-- Select tracks that are about to be removed. A script cannot do so directly; but what moves the
-- selection by one track takes all of that track's group with it. They leave the group they were in.
function selection.group (routes)
	local group = Session:new_route_group ("bandmate")
	for _, name in ipairs ({ "gain", "mute", "solo", "recenable", "route_active", "color", "monitoring" }) do
		group["set_" .. name] (group, false)
	end
	group:set_relative (false, nil)
	group:set_select (true)
	for _, route in ipairs (routes) do group:add (route) end
	group:set_active (true, nil)
	Editor:access_action ("Common", "deselect-all")
	step_to (routes[1])
	Session:remove_route_group (group)
end

-- Call a function, and select afterwards what was selected before: regions, a range, one track. Of
-- several tracks, which no script can select, none is: a key pressed now must not change the new ones.
function selection.kept (work)
	local chosen, regions, routes = Editor:get_selection (), {}, {}
	for region in chosen.regions:regionlist ():iter () do regions[#regions + 1] = region end
	for route in chosen.tracks:routelist ():iter () do routes[#routes + 1] = route end
	local ok, problem = pcall (work)
	if #routes == 1 then step_to (routes[1]) else Editor:access_action ("Common", "deselect-all") end
	local views = ArdourUI.SelectionList ()
	for _, region in ipairs (regions) do
		local view = Editor:regionview_from_region (region)
		if view then views:push_back (view) end
	end
	if #regions > 0 then Editor:set_selection (views, ArdourUI.SelectionOp.Add) end
	if not ok then error (problem, 0) end
end

return selection
